"""How an open library is just now: what it has to do, its plugins and its index."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from opsin.catalogue.ids import as_text
from opsin.services.assets.ingest import Ingest, IngestStatus
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import rows_matching

if TYPE_CHECKING:
    from opsin.host.values import PluginStatus


_LEAST_ROOM = 64 * 1024 * 1024
"""Bytes of free space under which a disk is full: what a group of pictures takes until all of it is written."""


class IndexSize(msgspec.Struct, frozen=True, kw_only=True):
    """How large the index is. ``unsaved``: vectors that its snapshot lacks, which was written at ``saved_at``."""

    vectors: int
    unsaved: int
    bytes: int
    saved_at: str | None


class LibraryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is under way in this process. ``ingest``: pictures that are taken in, from all callers; ``full``: its disk."""

    ingest: IngestStatus
    assets: int
    index: IndexSize
    plugins: tuple[PluginStatus, ...]
    full: bool = False


def status(workspace: Workspace) -> LibraryStatus:
    """Return how the library is; no model is loaded for it."""
    return LibraryStatus(
        ingest=workspace.part(Ingest).status(),
        assets=len(rows_matching(workspace, ())),
        index=_index_size(workspace),
        plugins=tuple(workspace.host.statuses()),
        full=shutil.disk_usage(workspace.layout.root).free < _LEAST_ROOM,
    )


def _index_size(workspace: Workspace) -> IndexSize:
    index, path = workspace.index, workspace.layout.index
    found = path.stat() if path.exists() else None
    return IndexSize(
        vectors=len(index),
        unsaved=int((index.ids() > index.mark).sum()),
        bytes=found.st_size if found else 0,
        saved_at=as_text(datetime.fromtimestamp(found.st_mtime, UTC)) if found else None,
    )
