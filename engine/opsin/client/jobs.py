"""The calls of `client.jobs`: as those of `library.jobs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from opsin.client.call import Call, as_kind, in_field
from opsin.library import Job, JobState


def list_jobs(
    *, state: JobState | None = None, kind: str | None = None, limit: int = 50, before: str | None = None
) -> Call[list[Job]]:
    """Return jobs, the newest first; ``before`` goes on behind the job of this id."""
    given: dict[str, Any] = {"state": state, "kind": kind, "limit": limit, "cursor": before}
    params = {name: value for name, value in given.items() if value is not None}
    return Call(method="GET", path="/v1/jobs", params=params, read=in_field("jobs", list[Job]))


def get(job: str) -> Call[Job]:
    """Return one job.

    :raises UnknownName: where there is none of this id.
    """
    return Call(method="GET", path=_place(job), read=as_kind(Job))


def wait(job: str) -> Call[Job]:
    """Return a job when it is over, or, as it is by then, when the service stops.

    :raises UnknownName: where there is none of this id.
    """
    return Call(method="GET", path=f"{_place(job)}/events", read=_last)


def cancel(job: str) -> Call[Job]:
    """Have a job end: at once where it has not begun, else after the piece in hand; what it did stays."""
    return Call(method="POST", path=f"{_place(job)}/cancel", read=as_kind(Job), changes=True)


def reanalyse(
    *, categorizers: Sequence[str] = (), missing: bool = False, stale: bool = False, where: Sequence[str] = ()
) -> Call[Job]:
    """Have categorizers asked again, and return the job."""
    fields = {"categorizers": list(categorizers), "missing": missing, "stale": stale, "where": list(where)}
    return Call(method="POST", path="/v1/reanalyse", json=fields, read=as_kind(Job), changes=True)


def _last(response: httpx.Response) -> Job:
    """Return the job as the last event of a stream has it."""
    told = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return msgspec.json.decode(told[-1], type=Job)


def _place(job: str) -> str:
    return f"/v1/jobs/{quote(job, safe='')}"
