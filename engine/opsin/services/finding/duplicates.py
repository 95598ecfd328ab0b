"""Finding pictures that are the same, or nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.finding.ranking import nearest_assets
from opsin.services.finding.views import AssetView, view_assets

_NEIGHBOURS = 16
_PAGE = 256


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Assets that look alike; ``similarity`` is the lowest cosine that joins them, 1.0 for the same bytes."""

    similarity: float
    assets: tuple[AssetView, ...]


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that looks nearly the same as another one: ``similarity`` is their cosine, 1.0 for the same bytes."""

    asset: AssetView
    similarity: float


def duplicates_of(workspace: Workspace, row: AssetRow, *, threshold: float = 0.95, limit: int = 50) -> list[Alike]:
    """Return the assets that look nearly the same as this one, the nearest first: those of its own bytes, then others.

    :raises UsageError: for a threshold outside 0..1 or a limit outside 1..1000.
    """
    checked.share(threshold, "threshold")
    checked.whole(limit, "limit", 1, 1000)
    with workspace.catalogue.read() as connection:
        rows, owners = contents.embedding_map(connection)
        same = [each for each in assets.of_content(connection, row.content_id) if each.row != row.row]
    mine = rows[owners == row.content_id][:1]
    found = [(each, 1.0) for each in same if each.vanished_at is None]
    if len(mine):
        near = nearest_assets(workspace, workspace.index.vectors_of(mine)[0], limit + len(same) + 1)
        others = ((each.asset, each.similarity) for each in near if each.asset.content_id != row.content_id)
        found += [(each, similarity) for each, similarity in others if similarity >= threshold]
    views = view_assets(workspace, [each for each, _ in found[:limit]])
    return [
        Alike(asset=view, similarity=round(min(similarity, 1.0), 4))
        for view, (_, similarity) in zip(views, found, strict=False)
    ]


def duplicates(
    workspace: Workspace, *, threshold: float = 0.95, progress: Callable[[int], None] | None = None
) -> Iterator[Group]:
    """Yield groups of two or more assets that look alike.

    Two belong together where the first frame of one and some frame of the other have a cosine of at least ``threshold``,
    0..1, so that an animation joins the still picture that it ends with. Groups are joined by single linkage over the
    nearest neighbours of every picture. ``progress`` is told from time to time how many pictures were compared with all
    others; what it raises ends this.

    :raises UsageError: for another threshold.
    """
    checked.share(threshold, "threshold")
    with workspace.catalogue.read() as connection:
        rows, owners = contents.embedding_map(connection)
        there = workspace.rows.contents_of(connection, workspace.rows.present(connection))
        shown = np.isin(owners, there)  # what is only in assets that vanished or were deleted joins nothing
        rows, owners = rows[shown], owners[shown]
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
        if progress is not None:
            progress(start + len(mine))
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
