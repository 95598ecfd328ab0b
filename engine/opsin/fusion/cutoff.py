"""Decides from which similarity on a picture matches a query: standardised by the query's own background. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from opsin.plugin.product import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opsin.fusion.rare import Bar

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


class Scale(msgspec.Struct, frozen=True):
    """How similarities with n queries become scores: ``middle`` (n,) scores 0.5, and ``spread`` (n,) says how steeply.

    Without a background nothing is known of what does not match: then ``bare`` (n,) is true and every score at least 0.5.
    """

    middle: NDArray[np.float32]
    spread: NDArray[np.float32]
    bare: NDArray[np.bool_]

    def scores(self, similarities: Vector) -> Vector:
        """Return a score 0..1 for each query's similarity, float32 (n,); below 0.5 nothing matches."""
        height = SLOPE * (similarities - self.middle) / self.spread
        above = 1 / (1 + np.exp(-np.clip(height, -60, 60)))
        return np.asarray(np.where(self.bare, 0.5 + np.clip(similarities, 0, 1) / 2, above), np.float32)

    def least(self, scores: Vector) -> Vector:
        """Return the similarity from which on each query scores as ``scores`` (n,): -inf where all do, inf where none does."""
        wanted = np.asarray(scores, np.float32)
        with np.errstate(divide="ignore"):
            height = np.log(wanted) - np.log1p(-wanted)
        bare = np.where(wanted > 0.5, 2 * wanted - 1, -np.inf)
        return np.asarray(np.where(self.bare, bare, self.middle + self.spread * height / SLOPE), np.float32)

    @classmethod
    def joined(cls, scales: Sequence[Scale]) -> Scale:
        """Return the scale of the queries of all of these."""
        middle = [each.middle for each in scales] or [np.zeros(0, np.float32)]
        spread = [each.spread for each in scales] or [np.zeros(0, np.float32)]
        bare = [each.bare for each in scales] or [np.zeros(0, np.bool_)]
        return cls(np.concatenate(middle), np.concatenate(spread), np.concatenate(bare))

    def at(self, places: NDArray[np.intp]) -> Scale:
        """Return the scale of some of the queries."""
        return Scale(self.middle[places], self.spread[places], self.bare[places])

    def barred(self, bar: Bar, words: NDArray[np.bool_]) -> Scale:
        """Return the scale in which ``bar`` is the cut-off of the queries that are ``words`` (n,)."""
        middle, spread = np.float32(bar.height), np.float32(bar.spread * SLOPE)
        return Scale(np.where(words, middle, self.middle), np.where(words, spread, self.spread), self.bare & ~words)


class Background(msgspec.Struct, frozen=True):
    """Unit rows, float32 (m, dim), that stand for any picture; m may be 0, then nothing is cut off."""

    rows: NDArray[np.float32]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Background:
        """Return the background made of an encoder's ``background()``."""
        return cls(np.asarray(rows, np.float32))

    def spread(self, query: Vector) -> float:
        """Return the standard deviation of the background's similarities with ``query`` (dim,); 1 without background."""
        return float(self._statistics(query[None])[1][0])

    def margins(self, query: Vector, similarities: Vector) -> Vector:
        """Return by how much each similarity (n,) is more than what this query asks of a match, float32 (n,).

        ``(similarity - middle) / spread - REACH * (reach - middle) / spread`` with the mean, the standard deviation and
        the mean of the ``BEST`` highest similarities of the background. A query that some background pictures fit
        exactly ("zebra") asks more of a match than one that none fits well ("gazelle").
        """
        middle, spread, reach = self._statistics(query[None])
        return np.asarray((similarities - middle - REACH * (reach - middle)) / spread, np.float32)

    def scale(self, queries: NDArray[np.float32], kinds: Sequence[Collection[str]]) -> Scale:
        """Return how similarities with ``queries``, unit rows (n, dim), become scores.

        ``kinds`` says what each query was made of: "text", "picture" or both. Where the margin (:meth:`margins`) is the
        cut of that kind, the score is 0.5.
        """
        middle, spread, reach = self._statistics(queries)
        cuts = np.array([PICTURE_CUT if "picture" in each else TEXT_CUT for each in kinds], np.float32)
        bare = np.full(len(queries), not len(self.rows))
        return Scale(middle + REACH * (reach - middle) + cuts * spread, spread, bare)

    def _statistics(self, queries: NDArray[np.float32]) -> tuple[Vector, Vector, Vector]:
        """Return mean, standard deviation and reach of the background's similarities with each query, float32 (n,)."""
        if not len(self.rows):
            nothing = np.zeros(len(queries), np.float32)
            return nothing, nothing + 1, nothing
        near = product(queries, self.rows.T)
        best = np.partition(near, max(0, len(self.rows) - BEST), axis=1)[:, -BEST:]
        return near.mean(axis=1), np.maximum(near.std(axis=1), np.float32(_LEAST_SPREAD)), best.mean(axis=1)
