"""Scores blur, exposure, resolution and blankness from simple statistics of the brightness."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from opsin import Categorizer, Declined, Frame, Frames, Item, Label, Match, Matches, Vocabulary
from opsin_quality import Config

SIDE = 256  # the shorter side, in pixels, at which everything is measured
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
BURNT_OUT = 250  # luma from which nothing can be told apart any more
HIGHLIGHTS = 0.99  # the share of pixels that are darker than the highlights


class Quality(Categorizer):
    """Says whether a picture is blurred, underexposed, overexposed, small or blank, with the measured numbers."""

    id = "quality"
    needs = Frames(min_side=SIDE)
    vocabulary = Vocabulary(
        name="quality",
        summary="What is technically wrong with a picture",
        labels=(
            Label(id="blurred", synonyms=("blurry", "out of focus")),
            Label(id="underexposed", synonyms=("too dark",)),
            Label(id="overexposed", synonyms=("too bright", "burnt out")),
            Label(id="low_resolution"),
            Label(id="blank", synonyms=("solid color", "empty picture")),
        ),
    )

    def __init__(self, config: Config) -> None:
        self._config = config
        self.revision = "1+" + sha256(msgspec.json.encode(config)).hexdigest()[:8]  # other settings, other scores

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        return [self._judge(item.frame) if item.frame else Declined("there is no frame") for item in batch]

    def _judge(self, frame: Frame) -> Matches:
        at = self._config
        luma = luma_of(frame.pixels)
        sharpness, contrast = float(laplacian(luma).var()), float(luma.std())
        highlights, burnt_out = highlights_of(luma), burnt_out_share(luma)
        short = min(frame.width, frame.height)
        blank = score(at.blank, contrast)
        blurred = score(at.blurred, sharpness) * (1 - blank)  # where nothing is to be seen, nothing is blurred
        return Matches(
            (
                Match("blurred", blurred, {"laplacian_variance": sharpness, "blank": blank}),
                Match("underexposed", score(at.underexposed, highlights), {"highlights": highlights}),
                Match("overexposed", score(burnt_out, at.overexposed), {"burnt_out_share": burnt_out}),
                Match("low_resolution", score(at.low_resolution, short), {"shorter_side": short}),
                Match("blank", blank, {"contrast": contrast}),
            )
        )

    def explain(self, item: Item, label: Label) -> dict[str, Any]:
        """Return the threshold, what was measured, and how the score follows from both."""
        match = next((m for m in self._judge(item.frame).matches if m.label == label.id), None) if item.frame else None
        if match is None:
            return {}
        measured = next(iter(match.attributes))
        more, less = (measured, "threshold") if label.id == "overexposed" else ("threshold", measured)
        formula = f"score = {more}^2 / ({more}^2 + {less}^2)" + (" x (1 - blank)" if label.id == "blurred" else "")
        threshold = getattr(self._config, label.id)
        return {"threshold": threshold, **match.attributes, "formula": formula, "score": match.score}


def score(more: float, less: float) -> float:
    """Return 0..1: how far ``more`` exceeds ``less``; 0.5 where both are equal, 0.8 at double, 0.2 at half."""
    return more**2 / (more**2 + less**2)


def luma_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the brightness 0..255, (h, w), of ``pixels`` (h, w, 3), thinned out to a shorter side of ``SIDE``.

    Pixels are picked, not averaged: averaging blurs. A smaller picture keeps its size.
    """
    height, width, _ = pixels.shape
    step = max(1.0, min(height, width) / SIDE)
    rows = np.linspace(0, height - 1, max(3, round(height / step))).astype(np.intp)
    columns = np.linspace(0, width - 1, max(3, round(width / step))).astype(np.intp)
    luma: NDArray[np.float32] = (pixels.take(rows, 0) @ LUMA).take(columns, 1)
    return luma


def laplacian(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much each pixel differs from its four neighbours, (h - 2, w - 2).

    Its variance is small where edges are soft: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy:
    a comparative study", ICPR 2000.
    """
    middle = luma[1:-1, 1:-1]
    return luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle


def highlights_of(luma: NDArray[np.float32]) -> float:
    """Return the luma 0..255 that 99 % of the pixels do not exceed, read off the histogram."""
    histogram = np.bincount(luma.astype(np.uint8).ravel(), minlength=256)
    return float(np.searchsorted(histogram.cumsum(), HIGHLIGHTS * luma.size))


def burnt_out_share(luma: NDArray[np.float32]) -> float:
    """Return the share 0..1 of burnt-out pixels in the centre: a white background around a thing is no fault."""
    height, width = luma.shape
    centre = luma[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return float((centre >= BURNT_OUT).mean())
