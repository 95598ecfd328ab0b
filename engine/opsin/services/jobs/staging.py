"""Pictures that were sent and are added later: their bytes wait on the disk, one folder a job, until the job is over."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from opsin.catalogue import jobs as rows
from opsin.catalogue.durable import sync_folder, write_whole
from opsin.catalogue.ids import new_id
from opsin.errors import LibraryError, Overloaded, Unwritable, UsageError, reason_of
from opsin.services.assets import taking
from opsin.services.assets.added import Added, AddOptions, AddStatus
from opsin.services.base.problem import Problem
from opsin.services.base.turns import Turn
from opsin.services.base.workspace import Workspace
from opsin.services.jobs import jobs
from opsin.services.jobs.jobs import Job
from opsin.services.looking.given import Address, Upload

KIND = "add"
_log = logging.getLogger(__name__)
_TRIES = 3
"""So often a picture is tried alone."""


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture that waits: an address, or the bytes in a file of the job's folder, with the name they were sent under."""

    url: str | None = None
    file: str | None = None
    name: str = ""


class Uploads(msgspec.Struct, frozen=True):
    """What a job adds, and what is said of each picture."""

    pictures: tuple[Waiting, ...]
    said: AddOptions


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one picture. Of an asset only its id is kept, as the job outlives the answer.

    ``source`` is the name of a picture with a ``problem``, of which there is no asset that would tell it.
    """

    status: AddStatus
    source: str | None = None
    asset_id: str | None = None
    failed_reports: Mapping[str, str] = {}
    problem: Problem | None = None


class AllTaken(msgspec.Struct, frozen=True):
    """One entry for each picture, in the order in which they were sent."""

    results: list[Taken]


def stage(workspace: Workspace, pictures: Sequence[Upload | Address], said: AddOptions) -> Job:
    """Make the pictures durable, and a job that adds them; when it returns, neither is lost any more.

    :raises UsageError: for several pictures with one ``public_id``.
    :raises Overloaded: where ``jobs.waiting`` of them wait already.
    :raises Unwritable: where the disk is full; then nothing of it stays.
    """
    if said.public_id is not None and len(pictures) > 1:
        raise UsageError("a public_id names one picture, and there are several: add them one by one")
    most = workspace.settings.jobs.waiting
    with workspace.catalogue.read() as connection:
        if rows.count_queued(connection, KIND) >= most:
            msg = f"{most} jobs wait already that add pictures (jobs.waiting): ask again in a moment"
            raise Overloaded(msg, limit="jobs.waiting")
    identity = new_id()
    folder = workspace.layout.staged / identity
    try:
        waiting = tuple(_store(folder, str(number), each) for number, each in enumerate(pictures))
        if folder.exists():
            sync_folder(folder.parent)
            sync_folder(workspace.layout.root)
        return jobs.start(workspace, KIND, Uploads(waiting, said), identity=identity)
    except OSError as error:
        _remove(folder)
        msg = f"cannot store what was sent in {folder.parent}: {reason_of(error)}"
        raise Unwritable(msg) from error
    except LibraryError:
        _remove(folder)
        raise


def _store(folder: Path, name: str, picture: Upload | Address) -> Waiting:
    if isinstance(picture, Address):
        return Waiting(url=picture.url)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, picture.data)
    return Waiting(file=name, name=picture.name)


def add_staged(workspace: Workspace, given: bytes, turn: Turn) -> AllTaken:
    """Add the pictures of a job. Begun again, it finds those unchanged that it added before."""
    uploads = msgspec.json.decode(given, type=Uploads)
    folder = workspace.layout.staged / turn.job
    turn.expect(len(uploads.pictures))
    pictures = [_read(folder, each) for each in uploads.pictures]
    return AllTaken([_outcome(added) for added in _added(workspace, pictures, uploads.said, turn)])


def _added(workspace: Workspace, pictures: Sequence[Upload | Address], said: AddOptions, turn: Turn) -> Sequence[Added]:
    """Add pictures and return what became of each; who sent them was told that they are safe, and sends them no more.

    Those that came in vain, as the encoder was out of use, are added one by one when it is in use again: one that takes the
    encoder out of use is alone then, and after three times it is the picture that is at fault.
    """
    _await_encoder(workspace, turn)
    found: list[Added] = []
    for added in taking.add_each(workspace, pictures, said):
        found.append(added)
        turn.step(0 if _in_vain(added) else 1)
    for place in [place for place, added in enumerate(found) if _in_vain(added)]:
        for _ in range(_TRIES):
            _await_encoder(workspace, turn)
            (found[place],) = taking.add_each(workspace, [pictures[place]], said)
            if not _in_vain(found[place]):
                break
        turn.step()
    return found


def _in_vain(added: Added) -> bool:
    return added.problem is not None and added.problem.after is not None


def _await_encoder(workspace: Workspace, turn: Turn) -> None:
    """Wait until the encoder may be asked; where it is off until a restart, that is what is waited for.

    :raises Ended: where the job is to end before.
    """
    while (after := workspace.host.encoder.after) is not None:
        _log.warning("the pictures of the job %s wait: the encoder is out of use", turn.job)
        turn.pause(after)


def _outcome(added: Added) -> Taken:
    return Taken(
        status=added.status,
        source=None if added.problem is None else added.source,
        asset_id=added.id if added.asset is None else added.asset.id,
        failed_reports=added.failed_reports,
        problem=added.problem,
    )


def _read(folder: Path, waiting: Waiting) -> Upload | Address:
    if waiting.file is None:
        return Address(waiting.url or "")
    try:
        return Upload((folder / waiting.file).read_bytes(), waiting.name)
    except OSError as error:
        msg = f"what was sent is not in {folder} any more ({error.strerror or error}): send it again"
        raise LibraryError(msg) from error


def drop(workspace: Workspace, job: str) -> None:
    """Take away the bytes that a job left which is over."""
    _remove(workspace.layout.staged / job)


def drop_abandoned(workspace: Workspace) -> None:
    """Take away bytes of which no job knows, or none that is to go on: their process ended in between.

    Nobody may be staging pictures meanwhile.
    """
    staged = workspace.layout.staged
    with workspace.catalogue.read() as connection:
        wanted = {row.id for row in rows.unfinished(connection)}
    for folder in staged.iterdir() if staged.is_dir() else ():
        if folder.name not in wanted:
            _remove(folder)


def _remove(folder: Path) -> None:
    def failed(_call: object, path: str, error: Any) -> None:
        if not isinstance(error[1], FileNotFoundError):
            _log.warning("%s cannot be taken away (%s): take it away yourself", path, error[1])

    shutil.rmtree(folder, onerror=failed)
