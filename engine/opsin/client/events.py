"""The events of a job as a client hears them: Server-Sent Events, over as many connections as it takes."""

from __future__ import annotations

from typing import NoReturn

import httpx
import msgspec

from opsin.client.call import Call, address, answer_of
from opsin.client.retrying import unreachable
from opsin.client.sending import built
from opsin.errors import Unreachable
from opsin.library import Job

_SILENCE = 45.0
"""Seconds without a byte after which a connection counts as broken: a service that has nothing to tell says so each 15."""
_KIND = "text/event-stream"


class Following:
    """What is known of a stream of events: which job it tells of, the last that was heard, and what is heard in part."""

    def __init__(self, job: str) -> None:
        self._path = f"{address('jobs', job)}/events"
        self._heard: str | None = None
        self._rest = b""
        self._fields: dict[str, list[str]] = {}
        self.over = False
        self.tries = 0
        """Connections, one after the other, that brought nothing."""

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request for what comes behind the last event that was heard."""
        self._rest, self._fields = b"", {}
        request = built(http, self._call(), {})
        waits = request.extensions["timeout"]
        if waits["read"] is not None:
            waits["read"] = max(waits["read"], _SILENCE)
        return request

    def begins(self, response: httpx.Response) -> bool:
        """Return whether a response has events; without a body it says that the job is over, and that we know."""
        self.over = response.status_code == httpx.codes.NO_CONTENT
        return response.is_success and response.headers.get("Content-Type", "").startswith(_KIND)

    def take(self, block: bytes) -> list[Job]:
        """Return the jobs of the events that are whole with these bytes, as the standard (WHATWG HTML, 9.2) has it.

        Lines end with a line feed, or a carriage return and a line feed: no other way is Opsin's.

        :raises Unreachable: where an event is none of Opsin's.
        """
        self.tries = 0
        *lines, self._rest = (self._rest + block).split(b"\n")
        found = [self._line(line.rstrip(b"\r").decode(errors="replace")) for line in lines]
        return [job for job in found if job is not None]

    def _line(self, line: str) -> Job | None:
        """Take in one line; an empty one ends an event."""
        if line:
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        if fields.get("event") != ["job"]:
            return None
        try:
            job = msgspec.json.decode("\n".join(fields.get("data", ())), type=Job)
        except msgspec.MsgspecError as broken:
            msg = f"an event of {self._path} is none of Opsin's ({broken}): is it `opsin serve`, of the same version?"
            raise Unreachable(msg) from broken
        self._heard, self.over = fields.get("id", [self._heard])[-1], job.over
        return job

    def give_up(self, http: httpx.Client | httpx.AsyncClient, outcome: httpx.Response | httpx.RequestError) -> NoReturn:
        """Raise the error that an answer without events tells of.

        :raises OpsinError: where the service refuses it.
        :raises Unreachable: where it does not answer, or what it answers is none of Opsin's.
        """
        if isinstance(outcome, httpx.RequestError):
            raise unreachable(http.base_url, outcome) from outcome
        answer_of(self._call(), outcome)
        raise unreachable(http.base_url, broken_off())

    def _call(self) -> Call[None]:
        heard = {} if self._heard is None else {"Last-Event-ID": self._heard}
        return Call(method="GET", path=self._path, headers={"Accept": _KIND, **heard}, read=_no_events)


def broken_off() -> httpx.TransportError:
    """Return what happened where events ended and the job did not, as when a service stops."""
    return httpx.RemoteProtocolError("the events ended before the job did")


def _no_events(response: httpx.Response) -> None:
    msg = f"no {_KIND}, but {response.headers.get('Content-Type', 'nothing')}"
    raise ValueError(msg)
