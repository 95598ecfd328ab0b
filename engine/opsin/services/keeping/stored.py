"""Compares what a library has stored with what it follows from: copies and originals of pictures, index, tags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from opsin.catalogue import assets, contents, tags
from opsin.catalogue.tables import asset
from opsin.services.base.diagnosis import Finding
from opsin.services.base.tagging import computed
from opsin.services.base.workspace import Workspace

if TYPE_CHECKING:
    from opsin_index import Index


def examine_copies(workspace: Workspace, *, quick: bool) -> Iterator[Finding]:
    """Compare the copied pictures with their digests."""
    missing, wrong, seen = [], [], set()
    with workspace.catalogue.read() as connection:
        for page in assets.every(connection, (asset.c.copied,)):
            for row in page:
                if row.sha256 in seen:
                    continue
                seen.add(row.sha256)
                told = row.location if Path(row.location).is_absolute() else row.name
                if not workspace.blobs.is_whole(row.sha256, row.bytes):
                    missing.append(told)
                elif not quick and not workspace.blobs.is_sound(row.sha256):
                    wrong.append(told)
    for names, what, options in ((missing, "missing or cut", "--copy"), (wrong, "damaged", "--copy --checksum")):
        if names:
            message = f"{len(names)} copied pictures are {what}, e.g. {names[0]}"
            remedy = f"add the originals again: opsin add FOLDER {options}; or take the copies from a backup: docs/backup.md says how"
            yield Finding(area="copies", state="problem", message=message, remedy=remedy)
    if not missing and not wrong:
        looked = "there" if quick else "there, with the right bytes"
        yield Finding(area="copies", state="ok", message=f"{len(seen)} copied pictures are {looked}")


def examine_originals(workspace: Workspace) -> Iterator[Finding]:
    """Look for the files that the library refers to."""
    count, gone = 0, []
    with workspace.catalogue.read() as connection:
        for page in assets.every(connection, (~asset.c.copied, asset.c.vanished_at.is_(None))):
            for row in page:
                if Path(row.location).is_absolute():
                    count += 1
                    if not Path(row.location).exists():
                        gone.append(row.location)
    if gone:
        message = f"{len(gone)} of {count} pictures are not where they were, e.g. {gone[0]}"
        remedy = "bring them back, or run `opsin add` on their folder again: it finds moved ones and marks the others"
        yield Finding(area="originals", state="warning", message=message, remedy=remedy)
    else:
        yield Finding(area="originals", state="ok", message=f"{count} pictures are where they were")


def examine_index(workspace: Workspace, *, quick: bool) -> Iterator[Finding]:
    """Look whether the index can be read, and compare its vectors with the catalogue's."""
    from opsin_index import Index, VectorIndexError

    path, remedy = workspace.layout.index, "opsin index rebuild"
    with workspace.catalogue.read() as connection:
        _, vectors = contents.count(connection)
    if not path.exists():
        if vectors:
            yield Finding(area="index", state="warning", message="there is none; each search makes one", remedy=remedy)
        else:
            yield Finding(area="index", state="ok", message="there is nothing to hold yet")
        return
    try:
        with closing(Index.open(path, readonly=True)) as index:
            problems = [] if quick else _compared(workspace, index)
            behind = _tail(workspace, index)
            size = len(index)
    except VectorIndexError as error:
        yield Finding(area="index", state="problem", message=str(error), remedy=remedy)
        return
    for problem in problems:
        yield Finding(area="index", state="problem", message=problem, remedy=remedy)
    if not problems:
        tail = f", {behind} came after it was written and are taken in when it is opened" if behind else ""
        yield Finding(area="index", state="ok", message=f"{size} vectors{tail}")


def _tail(workspace: Workspace, index: Index) -> int:
    with workspace.catalogue.read() as connection:
        rows, _ = contents.embedding_map(connection, index.mark)
    return len(rows)


def _compared(workspace: Workspace, index: Index) -> list[str]:
    """Compare the vectors that the snapshot should hold with those of the catalogue."""
    index.verify()
    missing = wrong = expected = 0
    with workspace.catalogue.read() as connection:
        for rows, vectors in contents.vectors_after(connection, 0):
            held = rows <= index.mark
            there = [number for number, row in enumerate(rows) if held[number] and int(row) in index]
            expected += len(there)
            missing += int(held.sum()) - len(there)
            if there:
                wrong += int((abs(index.vectors_of(rows[there]) - vectors[there]).max(axis=1) > 1e-3).sum())
    surplus = len(index) - expected
    found = [(missing, "are missing"), (wrong, "differ from the catalogue"), (surplus, "are not in the catalogue")]
    return [f"{count} vectors {what}" for count, what in found if count > 0]


def examine_tags(workspace: Workspace) -> Iterator[Finding]:
    """Compare the stored tags with what follows from the reports and from what people said."""
    with workspace.catalogue.read() as connection:
        expected, stored = computed(workspace, connection), tags.all_rows(connection)
    differing = [name for name in expected.keys() | stored.keys() if expected.get(name) != stored.get(name)]
    if differing:
        message = (
            f"{len(differing)} tags are not what follows from the reports, settings and people, e.g. {min(differing)}"
        )
        yield Finding(area="tags", state="warning", message=message, remedy="opsin index rebuild")
    else:
        yield Finding(area="tags", state="ok", message=f"{len(stored)} tags follow from the reports and from people")
