"""The calls of `client.jobs`: as those of `library.jobs`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from opsin.client.call import Call, Flow, Item, address, as_kind, in_field
from opsin.client.events import Following
from opsin.library import Job, JobState

_LOOK = 5.0
"""Seconds that the service lets a request wait for the end of a job: fewer than until its silence counts as gone."""


def list_jobs(
    *, state: JobState | None = None, kind: str | None = None, limit: int = 50, before: str | None = None
) -> Call[list[Job]]:
    """Return jobs, the newest first; ``before`` goes on behind the job of this id."""
    given: dict[str, Any] = {"state": state, "kind": kind, "limit": limit, "cursor": before}
    params = {name: value for name, value in given.items() if value is not None}
    return Call(method="GET", path="/v1/jobs", params=params, read=in_field("jobs", list[Job]))


def get(job: str) -> Call[Job]:
    """Return one job, by its id or the beginning of it (8 characters or more).

    :raises UnknownName: where there is none of this id, or the beginning is that of several.
    """
    return Call(method="GET", path=_place(job), read=as_kind(Job))


def wait(job: str, timeout: float | None = None) -> Flow[Job]:
    """Return a job when it is over, or after ``timeout`` seconds as it is by then.

    A service that starts again in between is asked again.

    :raises UnknownName: where there is none of this id.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _LOOK if until is None else max(0.0, min(_LOOK, until - time.monotonic()))
        found = yield Call(method="GET", path=_place(job), params={"wait": left}, read=as_kind(Job))
        if found.over or (until is not None and time.monotonic() >= until):
            yield Item(found)
            return


def events(job: str) -> Following:
    """Yield a job as it is, and then whenever it is further, until it is over.

    A connection that breaks is made again, and goes on behind what was heard; a service that starts again is asked again.

    :raises UnknownName: where there is none of this id.
    """
    return Following(job)


def cancel(job: str) -> Call[Job]:
    """Have a job end: at once where it has not begun, else after the piece in hand; what it did stays."""
    return Call(method="POST", path=f"{_place(job)}/cancel", read=as_kind(Job), changes=True)


def reanalyse(
    *, categorizers: Sequence[str] = (), missing: bool = False, stale: bool = False, where: Sequence[str] = ()
) -> Call[Job]:
    """Have categorizers asked again, and return the job."""
    fields = {"categorizers": list(categorizers), "missing": missing, "stale": stale, "where": list(where)}
    return Call(method="POST", path="/v1/reanalyse", json=fields, read=as_kind(Job), changes=True)


def rescore(vocabulary: str) -> Call[Job]:
    """Have the library scored again by a vocabulary, and return the job.

    :raises UnknownName: naming the vocabularies that there are.
    """
    return Call(method="POST", path=address("vocabularies", vocabulary, "rescore"), read=as_kind(Job), changes=True)


def _place(job: str) -> str:
    return address("jobs", job)
