"""Lists of assets and of tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from opsin.catalogue import assets
from opsin.services.base import checked
from opsin.services.base.tagging import all_rows
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import Condition, read, rows_matching
from opsin.services.finding.views import AssetView, view_assets

_PAGE = 200


class TagCount(msgspec.Struct, frozen=True):
    """A tag, its readable name, and how many assets carry it."""

    label: str
    name: str
    count: int


class TagDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A tag, its readable name, how many assets carry it, and the tags ``together`` with it: those most of them carry."""

    label: str
    name: str
    count: int
    together: Sequence[TagCount]


def list_assets(
    workspace: Workspace, where: Sequence[Condition], limit: int | None, after: int = -1
) -> Iterator[AssetView]:
    """Yield the assets that meet all conditions, in the order in which they were added, behind the row ``after``.

    :raises UsageError: for a limit below 1.
    """
    if limit is not None:
        checked.whole(limit, "limit", 1)
    matching = rows_matching(workspace, where)
    first = matching.rank(after) if after >= 0 else 0
    rows = list(matching[first : None if limit is None else first + limit])
    for start in range(0, len(rows), _PAGE):
        with workspace.catalogue.read() as connection:
            found = assets.by_rows(connection, rows[start : start + _PAGE])
        yield from view_assets(workspace, [found[row] for row in sorted(found)])


def count_assets(workspace: Workspace, where: Sequence[Condition]) -> int:
    """Return how many assets meet all conditions."""
    return len(rows_matching(workspace, where))


def tag_counts(workspace: Workspace) -> list[TagCount]:
    """Return every tag in use, most frequent first; vanished assets do not count."""
    labels = workspace.meaning.labels
    present = rows_matching(workspace, ())
    counts = {name: rows.intersection_cardinality(present) for name, rows in all_rows(workspace).items()}
    found = [TagCount(name, labels[name].text if name in labels else name, n) for name, n in counts.items() if n]
    return sorted(found, key=lambda entry: (-entry.count, entry.label))


def tag_details(workspace: Workspace, label: str, limit: int = 20) -> TagDetails:
    """Return how many assets carry a tag, and up to ``limit`` tags that most of these carry, too.

    :raises UnknownName: where no vocabulary, categorizer or person knows the label.
    :raises UsageError: for a limit outside 0..1000.
    """
    checked.whole(limit, "limit", 0, 1000)
    mine = rows_matching(workspace, read(workspace, [f"tag={label}"]))
    labels = workspace.meaning.labels
    counts = {name: rows.intersection_cardinality(mine) for name, rows in all_rows(workspace).items() if name != label}
    best = sorted((entry for entry in counts.items() if entry[1]), key=lambda entry: (-entry[1], entry[0]))[:limit]
    return TagDetails(
        label=label,
        name=labels[label].text if label in labels else label,
        count=len(mine),
        together=[TagCount(name, labels[name].text if name in labels else name, n) for name, n in best],
    )


def label_names(workspace: Workspace, beginning: str = "") -> list[str]:
    """Return the labels that plugins know and the tags in use, sorted, as far as they begin like this."""
    known = workspace.meaning.labels.keys() | {entry.label for entry in tag_counts(workspace)}
    return sorted(name for name in known if name.startswith(beginning))
