"""Comparing new pictures with many saved searches at once: one matrix product, and filters for what passes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from opsin.catalogue.assets import AssetRow
from opsin.fusion.cutoff import Scale
from opsin.model import Tag
from opsin.plugin.product import LARGE_BATCH, product
from opsin.services.filters import Check

Vector = NDArray[np.float32]


class Matched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A saved search that a new picture matches. ``tag``: the tag of the picture that the search names, if it names one."""

    id: str
    name: str
    score: float
    tag: str | None = None


class Known(msgspec.Struct, frozen=True):
    """A saved search as it is compared: its unit ``query`` (dim,), and ``names``, the labels that its words name.

    Searches with the same ``conditions`` have equal ``checks``, which are asked once for all of them.
    """

    id: str
    name: str
    conditions: str
    checks: tuple[Check, ...]
    names: frozenset[str]
    query: Vector
    scale: Scale
    least: float


class Table(msgspec.Struct, frozen=True):
    """All saved searches: ``queries`` are float32 (n, len(dimensions)); a match comes up to ``least`` (n,).

    ``dimensions`` are those of a vector in which any query is not zero: words leave out the part of the starter's vectors
    that only pictures have, half of what would be multiplied. ``filters`` (n,) says which of ``checks`` a search has.
    """

    known: tuple[Known, ...]
    dimensions: NDArray[np.intp]
    queries: NDArray[np.float32]
    scale: Scale
    least: Vector
    by_label: Mapping[str, Sequence[int]]
    filters: NDArray[np.intp]
    checks: Sequence[tuple[Check, ...]]

    @classmethod
    def of(cls, known: Sequence[Known]) -> Table:
        """Put saved searches together."""
        by_label: dict[str, list[int]] = defaultdict(list)
        for place, each in enumerate(known):
            for name in each.names:
                by_label[name].append(place)
        different = {each.conditions: each.checks for each in known}
        numbers = {conditions: number for number, conditions in enumerate(different)}
        queries = np.stack([each.query for each in known]) if known else np.zeros((0, 0), np.float32)
        dimensions = np.flatnonzero(queries.any(axis=0))
        return cls(
            known=tuple(known),
            dimensions=dimensions,
            queries=np.ascontiguousarray(queries[:, dimensions]),
            scale=Scale.joined([each.scale for each in known]),
            least=np.array([each.least for each in known], np.float32),
            by_label=by_label,
            filters=np.array([numbers[each.conditions] for each in known], np.intp),
            checks=tuple(different.values()),
        )

    def matches(
        self,
        vectors: Mapping[int, NDArray[np.float32]],
        rows: Iterable[AssetRow],
        tags: Mapping[int, Sequence[Tag]],
    ) -> dict[int, list[Matched]]:
        """Return the saved searches that assets match, in the order in which they were made, by asset row.

        ``vectors``: content id -> float32 (frames, dim), of which the nearest frame counts; ``tags`` of each asset, by row.
        What carries the tag that a search names matches, too, as it is found by searching.
        """
        if not self.known:
            return {}
        near = dict(zip(vectors, self._nearest(list(vectors.values())), strict=True))
        return {
            row.row: here
            for row in rows
            if row.content_id in near and (here := self._of_one(near[row.content_id], row, tags[row.row]))
        }

    def _nearest(self, pictures: Sequence[NDArray[np.float32]]) -> list[Vector]:
        """Return for each picture, its frames as unit rows (frames, dim), the similarity of its nearest frame, float32 (n,)."""
        frames = np.concatenate(pictures)[:, self.dimensions]
        parts = [product(frames[at : at + LARGE_BATCH], self.queries.T) for at in range(0, len(frames), LARGE_BATCH)]
        found = parts[0] if len(parts) == 1 else np.concatenate(parts)
        ends = np.cumsum([len(each) for each in pictures])
        return [found[end - len(each) : end].max(axis=0) for each, end in zip(pictures, ends, strict=True)]

    def _of_one(self, similarities: Vector, row: AssetRow, tags: Sequence[Tag]) -> list[Matched]:
        mine = {tag.label: tag for tag in tags}
        named = [place for label in mine for place in self.by_label.get(label, ())]
        passing = np.union1d(np.flatnonzero(similarities >= self.least), np.array(named, np.intp))
        asked = np.unique(self.filters[passing]).tolist()
        met = [number for number in asked if all(check(row, mine) for check in self.checks[number])]
        order = passing[np.isin(self.filters[passing], met)]
        scores = self.scale.at(order).scores(similarities[order])
        return [
            _matched(self.known[place], float(score), mine) for place, score in zip(order.tolist(), scores, strict=True)
        ]


def _matched(known: Known, score: float, tags: Mapping[str, Tag]) -> Matched:
    """Return a match, which scores as much as the tag that the search names, where the picture has it and that is more."""
    named = max((tags[name] for name in known.names if name in tags), key=lambda tag: tag.score, default=None)
    best = score if named is None else max(score, named.score)
    return Matched(id=known.id, name=known.name, score=round(best, 4), tag=named.label if named else None)
