"""Taking away what nothing names any more: contents without an asset, copies and previews of such, old exports.

A process that is killed between the copy of a picture and its commit leaves the copy; a public id that gets another picture
leaves the content that it had. An upload that is under way may rest on either: a copy is made anew by the commit that names
it where it is gone, and commits and this exclude each other, as both hold the catalogue's only writer. Fresh copies are left
alone besides, so that this is rarely needed. A preview that was being made while its picture was erased is left, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from opsin.catalogue import contents, erasing
from opsin.errors import LibraryError
from opsin.services.assets.deleting import drop_previews
from opsin.services.base.turns import Turn
from opsin.services.base.workspace import Workspace
from opsin.services.jobs import exports

GRACE = 3600.0
"""Seconds that a copy which nothing names is left alone after it was put, or after its content went."""
_PAGE = 100


class Swept(msgspec.Struct, kw_only=True):
    """What was taken away: contents with what was known of them, copies of pictures, previews, exports."""

    contents: int = 0
    copies: int = 0
    previews: int = 0
    exports: int = 0


def needed(workspace: Workspace) -> bool:
    """Return whether there is something to take away."""
    with workspace.catalogue.read() as connection:
        if erasing.contents_without_asset(connection, 1):
            return True
    return exports.clean(workspace, dry=True) > 0 or any(_unnamed(workspace)) or any(_previews_of_nothing(workspace))


def sweep(workspace: Workspace, turn: Turn) -> Swept:
    """Take away what nothing names. Begun again, it goes on where it was."""
    swept = Swept(exports=exports.clean(workspace))
    vectors: list[int] = []
    try:
        while gone := _erase_page(workspace):
            swept.contents += len(gone.contents)
            vectors += gone.vectors
            turn.step(len(gone.contents))
    finally:
        workspace.indexed.drop(vectors)
    for found in _unnamed(workspace):
        with workspace.catalogue.write() as connection:
            named = erasing.copied_among(connection, found.values())
            for path, digest in found.items():
                if digest not in named and _is_old(path):
                    swept.copies += _remove(path)
        turn.step(len(found))
    for previews in _previews_of_nothing(workspace):
        swept.previews += sum(map(_remove, previews))
        turn.step(len(previews))
    return swept


def _erase_page(workspace: Workspace) -> erasing.Erased | None:
    """Erase some contents that no asset has. Their copies stay for now: a backup may be reading them."""
    with workspace.catalogue.write() as connection:
        numbers = erasing.contents_without_asset(connection, _PAGE)
        if not numbers:
            return None
        erased = erasing.erase_contents(connection, numbers)
        for digest in erased.contents:
            workspace.blobs.touch(digest)
            drop_previews(workspace, digest)
    return erased


def _unnamed(workspace: Workspace) -> Iterator[Mapping[Path, bytes | None]]:
    """Yield the copies that no asset names, and unfinished ones, some at a time; a file without a digest is no copy."""
    for folder in sorted(workspace.blobs.folder.glob("[0-9a-f][0-9a-f]")):
        old = {path: _digest(path) for path in folder.iterdir() if _is_old(path)}
        with workspace.catalogue.read() as connection:
            named = erasing.copied_among(connection, old.values())
        found = {path: digest for path, digest in old.items() if digest not in named}
        if found:
            yield found


def _previews_of_nothing(workspace: Workspace) -> Iterator[Sequence[Path]]:
    """Yield the previews of contents that are gone, some at a time, and those that a killed process left unfinished."""
    for folder in sorted(workspace.layout.previews.glob("[0-9a-f][0-9a-f]")):
        made = {path: _digest(path) for path in folder.iterdir()}
        with workspace.catalogue.read() as connection:
            known = contents.find_all(connection, {digest for digest in made.values() if digest is not None})
        if lost := [
            path for path, digest in made.items() if (_is_old(path) if digest is None else digest not in known)
        ]:
            yield lost


def _digest(path: Path) -> bytes | None:
    """Return the digest that a copy or preview is named by; None for what was being written when its process ended."""
    name = path.name.partition("-")[0]
    try:
        return bytes.fromhex(name) if len(name) == 64 else None
    except ValueError:
        return None


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - GRACE
    except OSError:
        return False


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        msg = f"cannot take {path} away: {error.strerror or error}"
        raise LibraryError(msg) from error
    return True
