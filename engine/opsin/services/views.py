"""What the edges show of an asset: plain values, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.fusion import fuse, merge_person, tags
from opsin.model import Report, Tag
from opsin.services.workspace import Workspace


class AssetView(msgspec.Struct, frozen=True, kw_only=True):
    """One asset with its tags. ``bytes`` counts bytes, ``width`` and ``height`` pixels, upright."""

    id: str
    name: str
    location: str
    format: str
    width: int
    height: int
    bytes: int
    frames: int
    sha256: str
    copied: bool
    owner: str | None
    caption: str | None
    context: Mapping[str, Any]
    taken_at: str | None
    added_at: str
    updated_at: str
    vanished_at: str | None
    tags: list[Tag]


def model_tags(workspace: Workspace, reports: Sequence[Report], auto_tag: float | None) -> list[Tag]:
    """Return the tags that follow from the reports alone, sorted by label."""
    limits = workspace.settings.tags
    lowest = auto_tag if auto_tag is not None else min(limits.threshold, *limits.labels.values(), 1.0)
    return tags(
        fuse(reports, scopes=workspace.meaning.scopes, above=lowest), workspace.meaning.labels, limits, auto_tag
    )


def joined(workspace: Workspace, found: Sequence[Tag], said: Mapping[str, bool]) -> list[Tag]:
    """Return the models' tags joined with what people said (label -> present)."""
    added = [label for label, present in said.items() if present]
    removed = [label for label, present in said.items() if not present]
    return merge_person(found, added, removed, labels=workspace.meaning.labels)


def asset_view(row: AssetRow, found: list[Tag]) -> AssetView:
    """Join an asset and its tags."""
    return AssetView(
        id=row.id,
        name=row.name,
        location=row.location,
        format=row.format,
        width=row.width,
        height=row.height,
        bytes=row.bytes,
        frames=row.frames,
        sha256=row.sha256.hex(),
        copied=row.copied,
        owner=row.owner,
        caption=row.caption,
        context=msgspec.json.decode(row.context) if row.context else {},
        taken_at=row.taken_at,
        added_at=row.added_at,
        updated_at=row.updated_at,
        vanished_at=row.vanished_at,
        tags=found,
    )


def view_assets(workspace: Workspace, rows: Sequence[AssetRow]) -> list[AssetView]:
    """Return the views of these assets, in the same order, in a fixed number of queries."""
    with workspace.catalogue.read() as connection:
        reports = contents.reports_of(connection, {row.content_id for row in rows})
        people = assets.person_tags(connection, {row.row for row in rows})
    return [
        asset_view(
            row, joined(workspace, model_tags(workspace, reports[row.content_id], row.auto_tag), people[row.row])
        )
        for row in rows
    ]
