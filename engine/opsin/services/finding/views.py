"""What the edges show of an asset: plain values, ready for JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from opsin.catalogue.assets import AssetRow
from opsin.errors import Outdated
from opsin.model import Tag
from opsin.services.base.tagging import tags_of
from opsin.services.base.workspace import Workspace


class AssetView(msgspec.Struct, frozen=True, kw_only=True):
    """One asset with its tags. ``bytes`` counts bytes, ``width`` and ``height`` pixels, upright.

    ``public_id`` is a name of the caller's choosing; ``version`` counts the pictures that the asset has been, from 1.
    """

    id: str
    public_id: str | None
    version: int
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


def asset_view(row: AssetRow, found: list[Tag]) -> AssetView:
    """Join an asset and its tags."""
    return AssetView(
        id=row.id,
        public_id=row.public_id,
        version=row.version,
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


def etag(view: AssetView) -> str:
    """Return a short name of what is shown of an asset, which is another one as soon as anything of that is."""
    shown = [getattr(view, name) for name in AssetView.__struct_fields__]  # a view may say more than the asset does
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:16]


def require(view: AssetView, expected: Collection[str] | None) -> None:
    """Check that an asset is what the caller saw: one of these by its :func:`etag`; None takes anything.

    :raises Outdated: where it is none of them.
    """
    if expected is not None and etag(view) not in expected:
        msg = f"the asset {view.id} is not what it was when you looked at it: look again, then change it"
        raise Outdated(msg)


def view_assets(workspace: Workspace, rows: Sequence[AssetRow]) -> list[AssetView]:
    """Return the views of these assets, in the same order, in a fixed number of queries."""
    with workspace.catalogue.read() as connection:
        found = tags_of(workspace, connection, rows)
    return [asset_view(row, found[row.row]) for row in rows]
