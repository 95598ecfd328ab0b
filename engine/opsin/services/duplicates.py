"""Finding pictures that are the same, or nearly the same."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from opsin.catalogue import assets, contents
from opsin.services import checked
from opsin.services.views import AssetView, view_assets
from opsin.services.workspace import Workspace

_NEIGHBOURS = 16
_PAGE = 256


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Assets that look alike; ``similarity`` is the lowest cosine that joins them, 1.0 for the same bytes."""

    similarity: float
    assets: tuple[AssetView, ...]


def duplicates(workspace: Workspace, *, threshold: float = 0.95) -> Iterator[Group]:
    """Yield groups of two or more assets whose first frames have a cosine of at least ``threshold``, 0..1.

    Groups are joined by single linkage over the nearest neighbours of every picture.

    :raises UsageError: for another threshold.
    """
    checked.share(threshold, "threshold")
    with workspace.catalogue.read() as connection:
        rows, owners = contents.embedding_map(connection)
        first = np.unique(owners, return_index=True)[1] if len(owners) else np.zeros(0, np.int64)
    owner_of = dict(zip(rows.tolist(), owners.tolist(), strict=True))
    parent: dict[int, int] = {}
    lowest: dict[int, float] = {}

    def root(number: int) -> int:
        while parent.setdefault(number, number) != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for start in range(0, len(first), _PAGE):
        mine = rows[first[start : start + _PAGE]]
        hits = workspace.index.search(workspace.index.vectors_of(mine), min(_NEIGHBOURS, len(workspace.index)))
        for row, ids, scores in zip(mine.tolist(), hits.ids, hits.scores, strict=True):
            for other, score in zip(ids.tolist(), scores.tolist(), strict=True):
                if score < threshold or other not in owner_of:
                    continue
                a, b = root(owner_of[row]), root(owner_of[other])
                if a != b:
                    parent[b] = a
                    lowest[a] = min(lowest.get(a, 1.0), lowest.get(b, 1.0), score)
    yield from _groups(workspace, {number: root(number) for number in owner_of.values()}, lowest)


def _groups(workspace: Workspace, roots: dict[int, int], lowest: dict[int, float]) -> Iterator[Group]:
    members: dict[int, list[int]] = {}
    for number, top in roots.items():
        members.setdefault(top, []).append(number)
    with workspace.catalogue.read() as connection:
        named = assets.of_contents(connection, list(roots))
    for top, numbers in sorted(members.items()):
        found = [row for number in numbers for row in named[number] if row.vanished_at is None]
        if len(found) > 1:
            similarity = round(min(lowest.get(top, 1.0), 1.0), 4)
            yield Group(similarity=similarity, assets=tuple(view_assets(workspace, found)))
