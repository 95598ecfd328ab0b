"""The texts of one vocabulary as vectors, with what is needed to standardise similarities; kept in a cache file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from opsin import product
from opsin_zero_shot import store
from opsin_zero_shot.prompts import background_texts, label_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from opsin import Label
    from opsin_zero_shot.texts import Texts

    Array = NDArray[np.float32]

LEAST_SPREAD = 1e-3
# A match has to come up to this share of what the best background pictures reach; how many are "the best".
REACH = 0.5
BEST = 2
MOST_MATRICES = 16


class Matrix(msgspec.Struct, frozen=True):
    """Rows of text vectors with their statistics.

    ``rows``: float32 (n + r, dim), unit, the n labels first, then all look-alikes; ``owner``: int32 (r,), the number
    of the label whose look-alike each is. ``middle``, ``spread``, ``reach``: float32 (n + r,), mean, standard deviation
    and the mean of the highest of each row's similarities with the background pictures; all empty where the encoder
    has none. ``others``: float32 (m, dim), unit, background texts for that case, else (0, dim).
    """

    rows: Array
    owner: NDArray[np.int32]
    middle: Array
    spread: Array
    reach: Array
    others: Array

    @property
    def labels(self) -> int:
        """How many labels there are."""
        return len(self.rows) - len(self.owner)

    @property
    def against_texts(self) -> bool:
        """Whether the encoder brings no background pictures, so that similarities are compared with other texts."""
        return len(self.others) > 0

    def standardised(self, vectors: Array) -> Array:
        """Return for each unit vector (b, dim) by how many spreads every row stands out: float32 (b, n + r).

        With background pictures: from the middle between their mean and what the best of them reach; without them: from
        the mean of the picture's similarities with other texts.
        """
        near = product(vectors, self.rows.T)
        if not self.against_texts:
            return np.asarray((near - self.middle - REACH * (self.reach - self.middle)) / self.spread, np.float32)
        middle, spread = self.other_statistics(vectors)
        return np.asarray((near - middle[:, None]) / spread[:, None], np.float32)

    def other_statistics(self, vectors: Array) -> Array:
        """Return mean and standard deviation of the vectors' similarities with the background texts, float32 (2, b)."""
        others = product(vectors, self.others.T)
        return np.stack((others.mean(axis=1), np.maximum(others.std(axis=1), LEAST_SPREAD)))

    def margins(self, vectors: Array) -> Array:
        """Return every label's margin for each vector, float32 (b, n).

        It is the label's standardised similarity, less what a look-alike has more than it. No label sees another.
        """
        values = self.standardised(vectors)
        own = values[:, : self.labels]
        if not len(self.owner):
            return own
        rivals = np.full(own.shape, -np.inf, np.float32)
        for place, owner in enumerate(self.owner, start=self.labels):
            np.maximum(rivals[:, owner], values[:, place], out=rivals[:, owner])
        return np.asarray(own - np.maximum(rivals - own, 0), np.float32)

    def save(self, path: Path) -> None:
        """Write it to ``path`` (npz)."""
        arrays = {name: getattr(self, name) for name in self.__struct_fields__}
        store.save(path, arrays, most=MOST_MATRICES)


def load_matrix(path: Path) -> Matrix | None:
    """Return the matrix in ``path``, or None where there is none that can be read."""
    found = store.load(path)
    return Matrix(**found) if set(found) == set(Matrix.__struct_fields__) else None


def make_matrix(texts: Texts, dim: int, labels: Sequence[Label], templates: Sequence[str]) -> Matrix:
    """Encode the texts of ``labels`` and measure them on the encoder's background; ``dim`` is that of its vectors."""
    groups = [label_texts(label, templates) for label in labels]
    groups += [[negative] for label in labels for negative in label.negatives]
    owner = [number for number, label in enumerate(labels) for _ in label.negatives]
    vectors = texts.encode([text for group in groups for text in group])
    rows = np.zeros((len(groups), dim), np.float32)
    start = 0
    for row, group in zip(rows, groups, strict=True):
        mean = vectors[start : start + len(group)].mean(axis=0)
        row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        start += len(group)
    background = texts.background()
    if len(background):
        middle, spread, reach = background_statistics(rows, background)
        others = np.zeros((0, dim), np.float32)
    else:
        middle = spread = reach = np.zeros(0, np.float32)
        others = texts.encode(background_texts(templates))
    return Matrix(rows, np.asarray(owner, np.int32), middle, spread, reach, others)


def background_statistics(rows: Array, background: Array) -> tuple[Array, Array, Array]:
    """Return mean, standard deviation and reach of each row's similarities with ``background``, float32 (n,) each."""
    near = rows @ background.T  # (n, m)
    best = np.sort(near, axis=1)[:, -BEST:]
    spread = np.maximum(near.std(axis=1), LEAST_SPREAD)
    return near.mean(axis=1), np.asarray(spread, np.float32), best.mean(axis=1)
