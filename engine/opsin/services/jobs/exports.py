"""Exports that are kept for a while: a job writes each into a folder of its own in the library, aside, and renames it."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from opsin.catalogue.durable import sync_folder, write_whole
from opsin.catalogue.ids import as_text, now
from opsin.errors import LibraryError, UnknownName
from opsin.services.base import checked
from opsin.services.base.turns import Turn
from opsin.services.base.workspace import Workspace
from opsin.services.finding import filters
from opsin.services.jobs import jobs
from opsin.services.jobs.jobs import Job
from opsin.services.moving import exporting, parquet, records
from opsin.services.moving.exporting import Format, VectorFormat

KIND = "export"
_LIST = "export.json"
"""Says what an export holds; it is written last."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_log = logging.getLogger(__name__)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be written: one record an asset as ``format``, and with ``vectors`` the embeddings beside them."""

    where: tuple[str, ...] = ()
    form: Format = msgspec.field(default="jsonl", name="format")
    vectors: VectorFormat | None = None


class ExportFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export; ``sha256`` is in hex digits."""

    name: str
    bytes: int
    sha256: str


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export that is kept until ``expires_at``, of so many ``assets`` and ``vectors``. Its id is that of its job.

    The first of its ``files`` holds the records.
    """

    id: str
    created_at: str
    expires_at: str
    where: tuple[str, ...]
    assets: int
    vectors: int
    files: tuple[ExportFile, ...]


def ask(workspace: Workspace, wanted: Wanted) -> Job:
    """Have an export written, and return the job.

    :raises UsageError: for conditions that make no sense, and for Parquet where pyarrow is not installed.
    """
    filters.read(workspace, wanted.where)
    if "parquet" in {wanted.form, wanted.vectors}:
        parquet.require()
    return jobs.start(workspace, KIND, wanted)


def write(workspace: Workspace, given: bytes, turn: Turn) -> Export:
    """Write the export of a job. Begun again, it begins anew, unless all of it is there."""
    wanted = msgspec.json.decode(given, type=Wanted)
    target = workspace.layout.exports / turn.job
    if (done := _read(workspace, target)) is not None:
        return done
    where = filters.read(workspace, wanted.where)
    turn.expect(records.count(workspace, where) * (1 if wanted.vectors is None else 2))
    unfinished = target.with_name(f".{turn.job}")
    _remove(unfinished)
    created = datetime.fromisoformat(now())
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        out = unfinished / f"records.{wanted.form}"
        made = exporting.export(
            workspace, out, where=where, form=wanted.form, vectors=wanted.vectors, progress=_steps(turn)
        )
        found = Export(
            id=turn.job,
            created_at=as_text(created),
            expires_at=as_text(created + _kept(workspace)),
            where=wanted.where,
            assets=made.assets,
            vectors=made.vectors,
            files=tuple(_described(Path(file)) for file in made.files),
        )
        write_whole(unfinished / _LIST, msgspec.json.encode(found))
        unfinished.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        msg = f"cannot write an export into {target.parent}: {error.strerror or error}"
        raise LibraryError(msg) from error
    finally:
        _remove(unfinished)
    return found


def every(workspace: Workspace) -> list[Export]:
    """Return the exports that are kept, the newest first."""
    place = workspace.layout.exports
    found = [_read(workspace, folder) for folder in place.iterdir()] if place.is_dir() else []
    return sorted((each for each in found if each is not None), key=lambda each: each.id, reverse=True)


def get(workspace: Workspace, identity: str) -> Export:
    """Return an export.

    :raises UnknownName: where none is kept of this id.
    """
    checked.text(identity, "an export")
    found = _read(workspace, workspace.layout.exports / identity) if _ID.fullmatch(identity) else None
    if found is None:
        msg = f"no export {identity[:100]!r} is kept: it may be unfinished, too old, or taken away"
        raise UnknownName(msg)
    return found


def file_of(workspace: Workspace, identity: str, name: str | None = None) -> tuple[ExportFile, Path]:
    """Return a file of an export, the one with the records where none is named, and where it is.

    :raises UnknownName: where there is none.
    """
    found = get(workspace, identity)
    for each in found.files:
        if name is None or each.name == name:
            return each, workspace.layout.exports / found.id / each.name
    msg = f"the export has no file {str(name)[:100]!r}; it has {', '.join(each.name for each in found.files)}"
    raise UnknownName(msg)


def delete(workspace: Workspace, identity: str) -> Export:
    """Take an export away, and return what it was.

    :raises UnknownName: where none is kept of this id.
    """
    found = get(workspace, identity)
    _remove(workspace.layout.exports / found.id)
    return found


def clean(workspace: Workspace, *, alone: bool = False, dry: bool = False) -> int:
    """Take away the exports that are too old, and return how many these were; where it is ``dry``, only count them.

    Where it is done ``alone``, before any job, also what a process that was killed left unfinished.
    """
    place = workspace.layout.exports
    count = 0
    for folder in [*place.iterdir()] if place.is_dir() else []:
        if folder.name.startswith("."):
            if alone:
                _remove(folder)
        elif _read(workspace, folder) is None:
            count += 1
            if not dry:
                _remove(folder)
    return count


def _read(workspace: Workspace, folder: Path) -> Export | None:
    """Return what an export holds; None where it is unfinished, or as old as the settings of today let none be."""
    try:
        found = msgspec.json.decode((folder / _LIST).read_bytes(), type=Export)
    except (OSError, msgspec.DecodeError):
        return None
    if folder.name.startswith(".") or found.id != folder.name:
        return None
    until = datetime.fromisoformat(found.created_at) + _kept(workspace)
    return msgspec.structs.replace(found, expires_at=as_text(until)) if until > datetime.now(UTC) else None


def _kept(workspace: Workspace) -> timedelta:
    return timedelta(seconds=workspace.settings.jobs.keep)


def _described(path: Path) -> ExportFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ExportFile(name=path.name, bytes=path.stat().st_size, sha256=digest)


def _steps(turn: Turn) -> Callable[[int], None]:
    """Return what is told how many assets are done: of the records, and then of the vectors from the beginning."""
    last = 0

    def progress(done: int) -> None:
        nonlocal last
        turn.step(done - last if done > last else done)
        last = done

    return progress


def _remove(folder: Path) -> None:
    def failed(_call: object, path: str, error: Sequence[object]) -> None:
        if not isinstance(error[1], FileNotFoundError):
            _log.warning("%s cannot be taken away (%s): take it away yourself", path, error[1])

    shutil.rmtree(folder, onerror=failed)
