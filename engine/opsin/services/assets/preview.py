"""A picture's own bytes, and previews: made when first asked for, kept in the library, without any metadata."""

from __future__ import annotations

import contextlib
import logging
import secrets
from pathlib import Path
from typing import get_args

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.errors import UsageError
from opsin.intake.wire import PreviewForm
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.looking.originals import read_again

_log = logging.getLogger(__name__)
_WIDEST = 4096
MOST_KEPT = 16
"""Previews that are kept of one picture, whatever sizes are asked for: as many as a page of a tag names."""


def original(workspace: Workspace, row: AssetRow) -> bytes:
    """Return the bytes of a content.

    :raises SourceUnavailable: where the picture cannot be read any more.
    """
    with workspace.catalogue.read() as connection:
        named = assets.of_content(connection, row.content_id)
    return read_again(workspace, named)


def preview(workspace: Workspace, row: AssetRow, width: int, form: PreviewForm = "webp") -> bytes:
    """Return a picture of this form at most ``width`` pixels wide; where it cannot be kept, a warning says so.

    The last 16 that were made of a picture are kept.

    :raises UsageError: for a width outside 16..4096, or another form.
    :raises SourceUnavailable: where the picture cannot be read any more and no preview of this width is kept.
    """
    checked.whole(width, "width", 16, _WIDEST)
    if form not in get_args(PreviewForm):
        msg = f"a preview comes as {', '.join(get_args(PreviewForm))}, not as {form!r}"
        raise UsageError(msg)
    width = min(width, max(16, row.width, row.height))  # none is enlarged: these are one preview
    name = row.sha256.hex()
    kept = workspace.layout.previews / name[:2] / f"{name}-{width}.{form}"
    with contextlib.suppress(OSError):  # not kept, or not readable: it is made again
        return kept.read_bytes()
    data = workspace.decoder.preview(original(workspace, row), width, form).result()
    if not workspace.readonly:
        _keep(kept, data)
    return data


def _keep(kept: Path, data: bytes) -> None:
    """Keep a preview for the next time, where there is room for it, and the latest of those that are kept of its picture."""
    unfinished = kept.with_name(f".{kept.name}.{secrets.token_hex(4)}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(data)
            unfinished.replace(kept)
        finally:
            unfinished.unlink(missing_ok=True)
        digest = kept.name.partition("-")[0]
        for each in sorted(kept.parent.glob(f"{digest}-*"), key=_made_at)[:-MOST_KEPT]:
            each.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("the preview %s cannot be kept (%s): free some space", kept, error.strerror or error)


def _made_at(path: Path) -> int:
    """Return when a preview was made, in nanoseconds; 0 where somebody took it away meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
