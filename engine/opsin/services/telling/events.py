"""Events: what happened to assets is written down for webhooks, in the transaction in which it happens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import assets, contents, outbox
from opsin.catalogue.outbox import NewEvent
from opsin.model import EventKind, Tag
from opsin.services.base.tagging import say, tags_of
from opsin.services.base.workspace import Workspace
from opsin.services.finding.views import asset_view
from opsin.services.telling.comparing import Table

LabelChange = tuple[tuple[str, ...], tuple[str, ...]]
"""Labels that came, and labels that went."""


class Happened(msgspec.Struct, frozen=True):
    """What happened to an asset. ``details`` are said beside what the asset is like after it."""

    kind: EventKind
    asset_row: int
    details: Mapping[str, Any] = {}


def tell(
    workspace: Workspace,
    connection: Connection,
    happened: Sequence[Happened],
    tags: Mapping[int, list[Tag]] | None = None,
) -> None:
    """Write down what happened for the webhooks that want to hear of it; where none does, nothing is done.

    ``connection`` is in the transaction that made it happen. ``tags`` of the assets, by row, need not be worked out again.
    """
    wanted = [each for each in happened if workspace.outbox.wants(each.kind)]
    if not wanted:
        return
    rows = assets.by_rows(connection, {each.asset_row for each in wanted})
    known = dict(tags or {})
    if lacking := [row for number, row in rows.items() if number not in known]:
        known |= tags_of(workspace, connection, lacking)
    views = {number: asset_view(row, known[number]) for number, row in rows.items()}
    new = [
        NewEvent(each.kind, each.asset_row, msgspec.json.encode({"asset": views[each.asset_row], **each.details}))
        for each in wanted
        if each.asset_row in views
    ]
    outbox.add(connection, new)


def of_labels(kind: EventKind, changes: Mapping[int, LabelChange]) -> list[Happened]:
    """Return the events of assets, by row, whose tags changed."""
    return [
        Happened(kind, row, {"added": added, "removed": removed})
        for row, (added, removed) in changes.items()
        if added or removed
    ]


def of_searches(
    searches: Table, connection: Connection, happened: Sequence[Happened], tags: Mapping[int, Sequence[Tag]]
) -> list[Happened]:
    """Return the events of assets with new bytes that match saved searches: one an asset, with all that it matches."""
    new = {each.asset_row for each in happened if each.kind in {"asset.added", "asset.replaced"}}
    if not new or not searches.known:
        return []
    rows = assets.by_rows(connection, new)
    vectors = contents.vectors_of(connection, {row.content_id for row in rows.values()})
    found = searches.matches(vectors, rows.values(), tags)
    return [Happened("search.matched", row, {"searches": each}) for row, each in found.items()]


def tell_of_words(workspace: Workspace, connection: Connection, said: Mapping[int, Mapping[str, bool]]) -> None:
    """Store a person's word about labels of assets (row -> label -> present), and tell what came of it."""
    after, before = say(workspace, connection, said)
    changes = {row: change(before[row], found) for row, found in after.items()}
    tell(workspace, connection, of_labels("asset.tagged", changes), after)


def change(before: Collection[str], after: Iterable[Tag]) -> LabelChange:
    """Return which labels came and which went."""
    labels = {tag.label for tag in after}
    return tuple(sorted(labels - set(before))), tuple(sorted(set(before) - labels))
