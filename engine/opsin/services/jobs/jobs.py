"""Jobs: work that goes on after whoever asked for it was answered, over restarts: listed, shown and cancelled here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal, get_args

import msgspec

from opsin.catalogue import jobs
from opsin.catalogue.ids import new_id, now
from opsin.catalogue.jobs import CANCELLED, QUEUED, RUNNING, JobRow
from opsin.errors import UnknownName, UsageError
from opsin.services.base import checked
from opsin.services.base.problem import Problem
from opsin.services.base.turns import Turn
from opsin.services.base.workspace import Workspace

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[JobState, ...] = get_args(JobState)
MOST = 1000
"""Jobs of one page."""
_ID = 36
"""Characters of an id."""
_LEAST = 8
"""Characters of an id's beginning that mean a job, as of an asset: those of one minute begin alike."""
_NAMED = 5
_LOOK = 0.2
"""Seconds between two looks at a job that somebody waits for."""


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job. ``done`` of ``total`` pieces are dealt with, where it is known how many there are.

    ``result`` is what came of it, ``problem`` why it failed.
    """

    id: str
    kind: str
    state: JobState
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    done: int = 0
    total: int | None = None
    result: dict[str, Any] | None = None
    problem: Problem | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.finished_at is not None


def start(workspace: Workspace, kind: str, given: object, *, identity: str | None = None) -> Job:
    """Store a job, which is begun as soon as its turn comes, and return it. ``given`` is written as JSON."""
    row = JobRow(id=identity or new_id(), kind=kind, state=QUEUED, given=msgspec.json.encode(given), created_at=now())
    with workspace.catalogue.write() as connection:
        jobs.add(connection, row)
    workspace.running.ring()
    return shown(row)


def every(
    workspace: Workspace,
    *,
    state: str | None = None,
    kind: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Job]:
    """Return jobs, the newest first, made before the one of the id ``before``.

    :raises UsageError: for a state that there is not, or a limit outside 1..1000.
    """
    checked.whole(limit, "limit", 1, MOST + 1)
    if state is not None and state not in STATES:
        msg = f"a job is {', '.join(STATES[:-1])} or {STATES[-1]}, not {state!r}"
        raise UsageError(msg)
    with workspace.catalogue.read() as connection:
        rows = jobs.latest(connection, state=state, kind=kind, limit=limit, before=before)
    return [shown(row, workspace.running.get(row.id)) for row in rows]


def get(workspace: Workspace, identity: str) -> Job:
    """Return a job, by its id or the beginning of it (8 characters or more).

    :raises UnknownName: where there is none of this id, or the beginning is that of several.
    """
    identity = _whole(workspace, identity)
    turn = workspace.running.get(identity)
    with workspace.catalogue.read() as connection:
        row = jobs.get(connection, identity)
    if row is None:
        raise _unknown(identity)
    return shown(row, turn)


def cancel(workspace: Workspace, identity: str) -> Job:
    """Have a job end: at once where it has not begun, else after the piece in hand. One that is over stays as it is.

    :raises UnknownName: as :func:`get`.
    """
    identity = _whole(workspace, identity)
    with workspace.catalogue.write() as connection:
        row = jobs.get(connection, identity)
        if row is None:
            raise _unknown(identity)
        turn = workspace.running.get(identity)
        if row.state in {QUEUED, RUNNING} and turn is None:
            jobs.change(connection, identity, state=CANCELLED, finished_at=now())
        elif turn is not None:
            turn.cancel()
    return get(workspace, identity)


def wait(workspace: Workspace, identity: str, timeout: float | None = None) -> Job:
    """Return a job when it is over, or after ``timeout`` seconds as it is by then.

    :raises UnknownName: as :func:`get`.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while not (job := get(workspace, identity)).over and (until is None or time.monotonic() < until):
        time.sleep(_LOOK)
    return job


def events(workspace: Workspace, identity: str) -> Iterator[Job]:
    """Yield a job as it is, and then whenever it is further, until it is over.

    :raises UnknownName: as :func:`get`.
    """
    told: tuple[JobState, int, int | None] | None = None
    while True:
        job = get(workspace, identity)
        if (mark := (job.state, job.done, job.total)) != told:
            told = mark
            yield job
        if job.over:
            return
        time.sleep(_LOOK)


def shown(row: JobRow, turn: Turn | None = None) -> Job:
    """Return a job as others see it; what it says itself while it runs is newer than what is stored."""
    return Job(
        id=row.id,
        kind=row.kind,
        state=msgspec.convert(row.state, JobState),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        done=row.done if turn is None or row.finished_at else turn.done,
        total=row.total if turn is None or row.finished_at else turn.total,
        result=None if row.result is None else msgspec.json.decode(row.result),
        problem=None if row.problem is None else msgspec.json.decode(row.problem, type=Problem),
    )


def _whole(workspace: Workspace, identity: str) -> str:
    """Return the id that begins so; what is none stays as it is, and is not found.

    :raises UnknownName: where several begin so.
    """
    begins = checked.text(identity, "a job").lower()
    if not _LEAST <= len(begins) < _ID:
        return begins
    with workspace.catalogue.read() as connection:
        found = jobs.beginning_with(connection, begins, _NAMED)
    if len(found) > 1:
        msg = f"{identity!r} may mean the jobs {', '.join(found)}: give more of the id"
        raise UnknownName(msg)
    return found[0] if found else begins


def _unknown(identity: str) -> UnknownName:
    return UnknownName(f"there is no job {identity[:100]!r}, or it ended too long ago: `opsin jobs list` shows them")
