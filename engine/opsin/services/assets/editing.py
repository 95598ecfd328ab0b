"""Changing what is said of an asset in one step: owner, caption, context, public id, threshold and a person's tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.errors import Taken, UnknownName
from opsin.services.assets.following import displace
from opsin.services.assets.people import Labelled, spoken
from opsin.services.base import checked
from opsin.services.base.tagging import renew, store, tags_of
from opsin.services.base.workspace import Workspace
from opsin.services.finding.views import asset_view, require
from opsin.services.looking.given import place_of
from opsin.services.telling.events import Happened, change, of_labels, tell


class Edits(TypedDict, total=False):
    """What can be said of an asset; None takes it away, what is left out stays. ``auto_tag``: the score that makes a tag, 0..1."""

    owner: str | None
    caption: str | None
    context: Mapping[str, Any] | None
    public_id: str | None
    auto_tag: float | None


def edit(
    workspace: Workspace,
    row: AssetRow,
    edits: Edits,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    expected: Collection[str] | None = None,
) -> Labelled:
    """Change what is said of an asset, attach and remove tags as a person, and return the asset as it is then.

    ``expected`` are the names (:func:`opsin.services.finding.views.etag`) of what the caller may have seen, None for anything.

    :raises UsageError: for a value or tag that cannot be.
    :raises Outdated: where the asset is not as expected.
    :raises Taken: where another asset has the public id.
    :raises UnknownName: where the asset was deleted meanwhile.
    """
    values = _values(edits)
    said = spoken(workspace, add, remove)
    renew(workspace)
    with workspace.catalogue.write() as connection:
        here = assets.by_rows(connection, [row.row]).get(row.row)
        if here is None or here.deleted_at is not None:
            msg = f"the asset {row.id} was deleted meanwhile"
            raise UnknownName(msg)
        before = tags_of(workspace, connection, [here])[here.row]
        require(asset_view(here, before), expected)
        changed = {name: value for name, value in values.items() if getattr(here, name) != value}
        if "public_id" in changed:
            changed |= _moved(connection, here, edits["public_id"])
        if changed:
            assets.change(connection, here.row, **changed)
        if said:
            assets.set_person_tags(connection, [here.row], said)
        (after,) = assets.by_rows(connection, [here.row]).values()
        tags = tags_of(workspace, connection, [after])
        had = store(connection, tags)
        happened = (
            [Happened("asset.updated", here.row, {"changed": named})]
            if (named := sorted(changed.keys() & values))
            else []
        )
        happened += of_labels("asset.tagged", {here.row: change(had[here.row], tags[here.row])})
        tell(workspace, connection, happened, tags)
    labels = {tag.label for tag in before}
    absent = sorted(label for label, present in said.items() if not present and label not in labels)
    return Labelled(**msgspec.structs.asdict(asset_view(after, tags[after.row])), absent=tuple(absent))


def _values(edits: Edits) -> dict[str, str | float | None]:
    """Return the columns that are to change."""
    values: dict[str, str | float | None] = {}
    checked.said(edits.get("owner"), edits.get("caption"), edits.get("context") or None)
    if "owner" in edits:
        values["owner"] = edits["owner"]
    if "caption" in edits:
        values["caption"] = edits["caption"]
    if "context" in edits:
        facts = edits["context"]
        values["context"] = msgspec.json.encode(dict(facts)).decode() if facts else None
    if "auto_tag" in edits:
        values["auto_tag"] = None if edits["auto_tag"] is None else checked.share(edits["auto_tag"], "auto_tag")
    if "public_id" in edits:
        values["public_id"] = None if edits["public_id"] is None else checked.public_id(edits["public_id"])
    return values


def _moved(connection: Connection, here: AssetRow, public_id: str | None) -> dict[str, str]:
    """Return the place that goes with another public id.

    :raises Taken: where another asset has it.
    """
    if public_id is not None and (other := assets.by_public_id(connection, public_id)) is not None:
        msg = f"the asset {other.id} is called {public_id!r}: choose another public_id"
        raise Taken(msg)
    if here.public_id is None or here.location != place_of(here.public_id):
        return {}
    place = place_of(public_id) if public_id is not None else f"upload:{here.id}"
    for former in assets.at_locations(connection, [place]).values():  # one that was deleted
        displace(connection, former)
    return {"location": place}
