"""/v1/jobs: work that goes on after its request was answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from opsin.library import Job, JobState
from opsin.services.jobs.job_kinds import Reanalyse
from opsin.web.access import ADMIN, READ, WRITE
from opsin.web.problems import problem_responses
from opsin.web.service import Service


class JobEvent(msgspec.Struct, frozen=True):
    """One event of a stream; ``data`` is the job, as JSON."""

    id: str
    event: Literal["job"]
    data: str


State = FromQuery[
    Annotated[JobState | None, QueryParameter(name="state", description="Only jobs that have come so far.")]
]
Kind = FromQuery[
    Annotated[str | None, QueryParameter(description="Only jobs of this kind, such as `add` or `export`.")]
]
Wait = FromQuery[
    Annotated[
        float,
        QueryParameter(ge=0, le=60, description="Answer when the job is over, at the latest after so many seconds."),
    ]
]
_PROBLEMS = problem_responses(400, 401, 403, 404)
_STREAM = {
    200: ResponseSpec(JobEvent, description="Events", media_type="text/event-stream", generate_examples=False),
    204: ResponseSpec(None, description="The job is over, and the caller knows"),
}
_LOOK = 0.5
"""Seconds between two looks at a job of which somebody wants to hear."""
_SILENCE = 15.0
"""Seconds after which a line without meaning keeps a connection open that proxies would close."""


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, the newest first; ``cursor`` continues, null at the end."""

    jobs: list[Job]
    cursor: str | None


class JobsController(Controller):
    """Jobs."""

    path = "/v1/jobs"
    tags = ["jobs"]  # noqa: RUF012
    opt = READ

    @get(responses=_PROBLEMS)
    async def list(
        self,
        service: NamedDependency[Service],
        job_state: State = None,
        kind: Kind = None,
        limit: FromQuery[Annotated[int, QueryParameter(ge=1, le=1000)]] = 50,
        cursor: FromQuery[UUID | None] = None,
    ) -> JobPage:
        """List jobs, the newest first."""
        before = None if cursor is None else str(cursor)
        found = await service.run(
            lambda: service.library.jobs.list(state=job_state, kind=kind, limit=limit + 1, before=before)
        )
        return JobPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @get("/{job_id:str}", responses=_PROBLEMS)
    async def show(
        self,
        service: NamedDependency[Service],
        job_id: FromPath[str],
        wait: Wait = 0,
    ) -> Job:
        """Show how far a job is, and what came of it: with `wait` when it is over, or after so many seconds as it is then."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            job = await service.run(lambda: service.library.jobs.get(job_id))
            left = until - loop.time()
            if job.over or service.ending or left <= 0:
                return job
            await asyncio.sleep(min(left, _LOOK))

    @post("/{job_id:str}/cancel", opt=WRITE, status_code=200, responses=_PROBLEMS)
    async def cancel(self, service: NamedDependency[Service], job_id: FromPath[str]) -> Job:
        """Cancel a job: at once where it has not begun, else after the piece in hand; what it did stays."""
        return await service.run(lambda: service.library.jobs.cancel(job_id))

    @get(
        "/{job_id:str}/events",
        media_type="text/event-stream",
        responses=_PROBLEMS | _STREAM,
    )
    async def events(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], job_id: FromPath[str]
    ) -> Response[Any]:
        """Follow a job: an event `job` with the job whenever it is further, until it is over (Server-Sent Events).

        With `Last-Event-ID`, as browsers send it when they ask again, only what came since is sent.
        """
        seen = request.headers.get("last-event-id")
        job = await service.run(lambda: service.library.jobs.get(job_id))
        if job.over and _mark(job) == seen:
            return Response(None, status_code=204)  # a browser then asks no more
        return ServerSentEvent(_events(service, job, seen), headers={"X-Accel-Buffering": "no"})


class ReanalysisController(Controller):
    """Asking again."""

    path = "/v1/reanalyse"
    tags = ["jobs"]  # noqa: RUF012
    opt = ADMIN

    @post(status_code=202, responses=problem_responses(400, 401, 403, 404, 409, body=True))
    async def reanalyse(self, service: NamedDependency[Service], data: JSONBody[Reanalyse]) -> Response[Job]:
        """Have categorizers asked again; neither `missing` nor `stale` means all that `where` leaves.

        What was not asked yet, or failed, is `missing`; what was asked at an earlier revision is `stale`.
        """
        job = await service.run(
            lambda: service.library.jobs.reanalyse(
                categorizers=data.categorizers, missing=data.missing, stale=data.stale, where=data.where
            )
        )
        return accepted(job)


def accepted(job: Job) -> Response[Job]:
    """Answer that a job will do what was asked for, and where it can be looked at."""
    return Response(job, status_code=202, headers={"Location": f"/v1/jobs/{job.id}"})


async def _events(service: Service, job: Job, seen: str | None) -> AsyncIterator[ServerSentEventMessage]:
    loop, identity = asyncio.get_running_loop(), job.id
    told = loop.time()
    while True:
        if (mark := _mark(job)) != seen:
            seen, told = mark, loop.time()
            yield ServerSentEventMessage(event="job", id=mark, data=msgspec.json.encode(job).decode())
        elif loop.time() - told > _SILENCE:
            told = loop.time()
            yield ServerSentEventMessage(comment="still here")
        if job.over or service.ending:
            return
        await asyncio.sleep(_LOOK)
        job = await service.run(lambda: service.library.jobs.get(identity))


def _mark(job: Job) -> str:
    """Return what names an event: a job that is further has another one."""
    return f"{job.state}-{job.done}-{job.total or 0}"
