"""How much an open library has to do just now, for whoever decides whether to give it more."""

from __future__ import annotations

import msgspec

from opsin.services.ingest import IngestStatus
from opsin.services.workspace import Workspace


class LibraryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is under way in this process. ``ingest``: pictures that are taken in, from all callers."""

    ingest: IngestStatus


def status(workspace: Workspace) -> LibraryStatus:
    """Return how much is under way."""
    return LibraryStatus(ingest=workspace.ingest.status())
