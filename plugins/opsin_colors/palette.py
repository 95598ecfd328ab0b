"""Extracts the feature ``palette``: up to eight colours of a picture with their shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin import Extractor, Feature, Frame
from opsin_colors.oklab import from_rgb

COLORS = 8
SIDE = 48  # pixels picked along each side; picked, not averaged: averages would mix colours that nobody sees
ROUNDS = 6  # of k-means; later rounds move no colour visibly
SAME = 0.06  # OKLab distance below which two colours of one palette are one; 0.02 is just noticeable


class PaletteExtractor(Extractor):
    """Yields ``palette``, float32 (8, 4): rows of OKLab L, a, b and share, largest share first, zeros behind."""

    name = "colors"
    revision = "1"
    features = (Feature("palette", (COLORS, 4), "float32"),)
    min_side = SIDE

    def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, NDArray[Any]]]:
        return [{"palette": palette_of(frame.pixels)} for frame in frames]


def palette_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the palette, float32 (8, 4), of ``pixels``, uint8 (h, w, 3): k-means in OKLab, without chance.

    It starts from the means of the eight fullest cells of a 4 x 4 x 4 grid over RGB; colours that look the same are
    joined. Shares sum to 1.
    """
    height, width, _ = pixels.shape
    rows = ((np.arange(SIDE) + 0.5) * height / SIDE).astype(np.intp)
    columns = ((np.arange(SIDE) + 0.5) * width / SIDE).astype(np.intp)
    rgb = pixels.take(rows, 0).take(columns, 1).reshape(-1, 3)
    points = from_rgb(rgb)

    cells = (rgb >> 6) @ np.array([16, 4, 1], np.uint8)
    fullest = np.argsort(-np.bincount(cells, minlength=64), kind="stable")[:COLORS]
    centres, counts = _means(points, cells, 64)
    centres = centres[fullest][counts[fullest] > 0]
    for _ in range(ROUNDS):
        # the nearest centre: |p - c|^2 without |p|^2, which is the same for every centre
        nearest = ((centres**2).sum(1) - 2 * points @ centres.T).argmin(1)
        means, counts = _means(points, nearest, len(centres))
        centres = np.where(counts[:, None] > 0, means, centres)
    return _joined(centres, counts / len(points))


def _means(points: NDArray[np.float32], group: NDArray[Any], groups: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the mean point of each group, (groups, 3), zeros where it is empty, and how many points it has."""
    counts = np.bincount(group, minlength=groups)
    sums = np.stack([np.bincount(group, points[:, axis], groups) for axis in range(3)], 1)
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32), counts


def _joined(centres: NDArray[np.float32], shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the palette of these colours: those that look the same joined to the larger one, by share."""
    palette = np.zeros((COLORS, 4), np.float32)
    used = 0
    for place in np.argsort(-shares, kind="stable"):
        centre, share = centres[place], shares[place]
        if share == 0:
            break
        distance = np.linalg.norm(palette[:used, :3] - centre, axis=1)
        if used and distance.min() < SAME:
            same = distance.argmin()
            total = palette[same, 3] + share
            palette[same, :3] += (centre - palette[same, :3]) * (share / total)
            palette[same, 3] = total
        else:
            palette[used] = (*centre, share)
            used += 1
    return palette[np.argsort(-palette[:, 3], kind="stable")]
