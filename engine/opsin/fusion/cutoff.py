"""Decides from which similarity on a picture matches a query: standardised by the query's own background. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from opsin.plugin.product import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

# From which margin on something matches, by the kind of query.
TEXT_CUT = 1.4
PICTURE_CUT = 2.3
# How steeply the score rises around the cut-off, per spread.
SLOPE = 1.0
# What matches has to come up to this share of what the best background pictures reach.
REACH = 0.5
# How many background pictures are "the best".
BEST = 2
_LEAST_SPREAD = 1e-3


class Background(msgspec.Struct, frozen=True):
    """Unit rows, float32 (m, dim), that stand for any picture; m may be 0, then nothing is cut off."""

    rows: NDArray[np.float32]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Background:
        """Return the background made of an encoder's ``background()``."""
        return cls(np.asarray(rows, np.float32))

    def spread(self, query: Vector) -> float:
        """Return the standard deviation of the background's similarities with ``query`` (dim,); 1 without background."""
        return self._statistics(query)[1]

    def margins(self, query: Vector, similarities: Vector) -> Vector:
        """Return by how much each similarity (n,) is more than what this query asks of a match, float32 (n,).

        ``(similarity - middle) / spread - REACH * (reach - middle) / spread`` with the mean, the standard deviation and
        the mean of the ``BEST`` highest similarities of the background. A query that some background pictures fit
        exactly ("zebra") asks more of a match than one that none fits well ("gazelle").
        """
        middle, spread, reach = self._statistics(query)
        return np.asarray((similarities - middle - REACH * (reach - middle)) / spread, np.float32)

    def scores(self, query: Vector, similarities: Vector, kinds: Collection[str]) -> Vector:
        """Return a score 0..1 for each similarity, float32 (n,): 0.5 at the cut-off, below it nothing matches.

        ``kinds`` says what the query was made of: "text", "picture" or both. Without a background nothing is known of
        what does not match: then every score is at least 0.5.
        """
        if not len(self.rows):
            return np.asarray(0.5 + np.clip(similarities, 0, 1) / 2, np.float32)
        cut = PICTURE_CUT if "picture" in kinds else TEXT_CUT
        height = SLOPE * (self.margins(query, similarities) - cut)
        return np.asarray(1 / (1 + np.exp(-np.clip(height, -60, 60))), np.float32)

    def _statistics(self, query: Vector) -> tuple[float, float, float]:
        """Return mean, standard deviation and reach of the background's similarities with ``query``."""
        if not len(self.rows):
            return 0.0, 1.0, 0.0
        near = product(query[None, :], self.rows.T)[0]
        best = np.sort(near)[-BEST:]
        return float(near.mean()), max(float(near.std()), _LEAST_SPREAD), float(best.mean())
