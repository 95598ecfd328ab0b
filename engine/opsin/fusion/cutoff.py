"""Decides from which similarity on a picture matches a query: standardised by the query's own background. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

# From how many spreads above the middle of the background on something matches, by the kind of query.
TEXT_CUT = 3.0
PICTURE_CUT = 4.0
# How steeply the score rises around the cut-off, per spread.
SLOPE = 1.0
# The share of background rows below the middle by one standard deviation, if they are normally distributed.
_ONE_SIGMA = 0.1587
_LEAST_SPREAD = 1e-3


class Background(msgspec.Struct, frozen=True):
    """Unit rows, float32 (m, dim), that stand for any picture; m may be 0, then nothing is cut off."""

    rows: NDArray[np.float32]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Background:
        """Return the background made of an encoder's ``background()``."""
        return cls(np.asarray(rows, np.float32))

    def middle_and_spread(self, query: Vector) -> tuple[float, float]:
        """Return the median similarity of ``query`` (dim,) with the background, and the spread below it.

        The spread is that of the lower half (one standard deviation of a normal distribution), because the upper half
        holds what matches the query; without a background they are 0 and 1.
        """
        if not len(self.rows):
            return 0.0, 1.0
        low, middle = np.quantile(self.rows @ query, (_ONE_SIGMA, 0.5))
        return float(middle), max(float(middle - low), _LEAST_SPREAD)

    def spread(self, query: Vector) -> float:
        """Return how far similarities with ``query`` usually reach from their middle; above 0."""
        return self.middle_and_spread(query)[1]

    def standardised(self, query: Vector, similarities: Vector) -> Vector:
        """Return by how many spreads each similarity (n,) lies above the middle of the background: float32 (n,)."""
        middle, spread = self.middle_and_spread(query)
        return np.asarray((similarities - middle) / spread, np.float32)

    def scores(self, query: Vector, similarities: Vector, kinds: Collection[str]) -> Vector:
        """Return a score 0..1 for each similarity, float32 (n,): 0.5 at the cut-off, below it nothing matches.

        ``kinds`` says what the query was made of: "text", "picture" or both. Without a background nothing is known of
        what does not match: then every score is at least 0.5.
        """
        if not len(self.rows):
            return np.asarray(0.5 + np.clip(similarities, 0, 1) / 2, np.float32)
        cut = PICTURE_CUT if "picture" in kinds else TEXT_CUT
        height = SLOPE * (self.standardised(query, similarities) - cut)
        return np.asarray(1 / (1 + np.exp(-np.clip(height, -60, 60))), np.float32)
