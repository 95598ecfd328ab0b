"""Comparing new pictures with many saved searches at once: matrix products, and filters for what passes. Pure."""

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
from opsin.services.finding.filters import Check

Vector = NDArray[np.float32]


class Matched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A saved search that a new picture matches. ``tag``: the tag of the picture that the search names, if it names one."""

    id: str
    name: str
    score: float
    tag: str | None = None


class Known(msgspec.Struct, frozen=True):
    """A saved search as it is compared: its unit ``query`` (dim,), and ``names``, the labels that its words name.

    ``owner``: the only one whose pictures can match; None where its conditions leave several. Searches with the same
    ``conditions`` have equal ``checks``, which are asked once for all of them.
    """

    id: str
    name: str
    owner: str | None
    conditions: str
    checks: tuple[Check, ...]
    names: frozenset[str]
    query: Vector
    scale: Scale
    least: float


class Table:
    """All saved searches. A picture is compared with those that leave its owner open and those that ask for its owner."""

    def __init__(self, known: Sequence[Known]) -> None:
        self.known = tuple(known)
        self._places: dict[str | None, list[int]] = defaultdict(list)
        for place, each in enumerate(self.known):
            self._places[each.owner].append(place)
        self._groups: dict[str | None, Group] = {}

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
        compared: dict[str | None, list[AssetRow]] = defaultdict(list)
        for row in rows:
            for owner in {None, row.owner} & self._places.keys():
                compared[owner].append(row)
        found: dict[int, dict[int, Matched]] = defaultdict(dict)
        for owner, those in compared.items():
            for number, matched in self._group(owner).matches(vectors, those, tags).items():
                found[number] |= matched
        return {number: [matched[place] for place in sorted(matched)] for number, matched in found.items()}

    def _group(self, owner: str | None) -> Group:
        """Return the searches that ask for an owner, put together when they are first compared with."""
        if owner not in self._groups:
            self._groups[owner] = Group.of({place: self.known[place] for place in self._places[owner]})
        return self._groups[owner]


class Group(msgspec.Struct, frozen=True):
    """Saved searches that are compared at once: ``queries`` are float32 (n, len(dimensions)); a match comes up to ``least`` (n,).

    ``places`` (n,) are theirs among all. ``dimensions`` are those of a vector in which any query is not zero: words leave
    out the part of the starter's vectors that only pictures have, half of what would be multiplied. ``filters`` (n,) says
    which of ``checks`` a search has.
    """

    places: Sequence[int]
    known: Sequence[Known]
    dimensions: NDArray[np.intp]
    queries: NDArray[np.float32]
    scale: Scale
    least: Vector
    by_label: Mapping[str, Sequence[int]]
    filters: NDArray[np.intp]
    checks: Sequence[tuple[Check, ...]]

    @classmethod
    def of(cls, placed: Mapping[int, Known]) -> Group:
        """Put saved searches together, given by their place among all: at least one."""
        known = list(placed.values())
        by_label: dict[str, list[int]] = defaultdict(list)
        for number, each in enumerate(known):
            for name in each.names:
                by_label[name].append(number)
        different = {each.conditions: each.checks for each in known}
        numbers = {conditions: number for number, conditions in enumerate(different)}
        queries = np.stack([each.query for each in known])
        dimensions = np.flatnonzero(queries.any(axis=0))
        return cls(
            places=list(placed),
            known=known,
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
        rows: Sequence[AssetRow],
        tags: Mapping[int, Sequence[Tag]],
    ) -> dict[int, dict[int, Matched]]:
        """Return what assets match of these, place -> match, by asset row; an asset without vectors matches nothing."""
        contents = list({row.content_id for row in rows} & vectors.keys())
        if not contents:
            return {}
        near = dict(zip(contents, self._nearest([vectors[content] for content in contents]), strict=True))
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

    def _of_one(self, similarities: Vector, row: AssetRow, tags: Sequence[Tag]) -> dict[int, Matched]:
        mine = {tag.label: tag for tag in tags}
        reached = similarities >= self.least
        reached[[number for label in mine for number in self.by_label.get(label, ())]] = True
        passing = np.flatnonzero(reached)
        filters = self.filters[passing].tolist()
        met = {number: all(check(row, mine) for check in self.checks[number]) for number in set(filters)}
        chosen = passing[[met[number] for number in filters]]
        scores = np.round(self.scale.at(chosen).scores(similarities[chosen]).astype(float), 4).tolist()
        return {
            self.places[number]: _matched(self.known[number], score, mine)
            for number, score in zip(chosen.tolist(), scores, strict=True)
        }


def _matched(known: Known, score: float, tags: Mapping[str, Tag]) -> Matched:
    """Return a match, which scores as much as the tag that the search names, where the picture has it and that is more."""
    if known.names.isdisjoint(tags):
        return Matched(id=known.id, name=known.name, score=score)
    named = max((tags[name] for name in known.names if name in tags), key=lambda tag: tag.score)
    return Matched(id=known.id, name=known.name, score=max(score, round(named.score, 4)), tag=named.label)
