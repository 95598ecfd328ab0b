"""Jobs: what is to be done, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from opsin.catalogue.tables import job

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job. ``given``, ``result`` and ``problem`` are JSON; ``attempts`` counts how often it was begun."""

    id: str
    kind: str
    state: str
    given: bytes
    created_at: str
    attempts: int = 0
    done: int = 0
    total: int | None = None
    result: bytes | None = None
    problem: bytes | None = None
    started_at: str | None = None
    finished_at: str | None = None


_JOB = select(*(job.c[name] for name in JobRow.__struct_fields__))


def add(connection: Connection, new: JobRow) -> None:
    """Store a job."""
    connection.execute(insert(job).values(**msgspec.structs.asdict(new)))


def get(connection: Connection, identity: str) -> JobRow | None:
    """Return one job, None where there is none of this id."""
    row = connection.execute(_JOB.where(job.c.id == identity)).first()
    return None if row is None else JobRow(**row._mapping)  # noqa: SLF001


def beginning_with(connection: Connection, text: str, limit: int) -> list[str]:
    """Return up to ``limit`` ids of jobs that begin so, the newest first."""
    query = select(job.c.id).where(job.c.id.startswith(text, autoescape=True)).order_by(job.c.id.desc()).limit(limit)
    return list(connection.execute(query).scalars())


def latest(
    connection: Connection, *, state: str | None = None, kind: str | None = None, limit: int, before: str | None = None
) -> list[JobRow]:
    """Return jobs, the newest first, made before the one of the id ``before``."""
    query = _JOB.order_by(job.c.id.desc()).limit(limit)
    for column, value in ((job.c.state, state), (job.c.kind, kind)):
        query = query if value is None else query.where(column == value)
    if before is not None:
        query = query.where(job.c.id < before)
    return [JobRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001


def unfinished(connection: Connection) -> list[JobRow]:
    """Return all jobs that are not over, the oldest first."""
    rows = connection.execute(_JOB.where(job.c.state.in_((QUEUED, RUNNING))).order_by(job.c.id))
    return [JobRow(**row._mapping) for row in rows]  # noqa: SLF001


def count_queued(connection: Connection, kind: str) -> int:
    """Return how many jobs of a kind nobody has begun."""
    query = select(func.count()).select_from(job).where(job.c.state == QUEUED, job.c.kind == kind)
    return int(connection.execute(query).scalar_one())


def next_queued(connection: Connection, kinds: Collection[str]) -> JobRow | None:
    """Return the oldest job of these kinds that nobody has begun."""
    query = _JOB.where(job.c.state == QUEUED, job.c.kind.in_(kinds)).order_by(job.c.id).limit(1)
    row = connection.execute(query).first()
    return None if row is None else JobRow(**row._mapping)  # noqa: SLF001


def begin(connection: Connection, identity: str, **values: Any) -> bool:
    """Change columns of a job that waits, and return whether it still does."""
    waiting = update(job).where(job.c.id == identity, job.c.state == QUEUED)
    return connection.execute(waiting.values(**values)).rowcount == 1


def change(connection: Connection, identity: str, **values: Any) -> None:
    """Change columns of a job."""
    connection.execute(update(job).where(job.c.id == identity).values(**values))


def drop(connection: Connection, *, before: str) -> None:
    """Forget the jobs that ended before a time."""
    connection.execute(delete(job).where(job.c.finished_at < before))
