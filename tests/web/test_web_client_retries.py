"""A client asks again where that makes sense, as late as it was told, and never twice for what is done once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import pytest

from opsin.client import AsyncClient, Client
from opsin.client.retrying import pause
from opsin.errors import Overloaded, Unreachable, UsageError
from opsin.library import Job


def answered(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers)


def test_a_pause_is_as_long_as_the_service_says() -> None:
    assert pause(0, 5, answered(503, **{"Retry-After": "7"})) == 7
    assert pause(0, 5, answered(429, **{"Retry-After": "60"})) == 60
    dated = {"Date": "Mon, 30 Nov 2026 19:00:00 GMT", "Retry-After": "Mon, 30 Nov 2026 19:00:45 GMT"}
    assert pause(0, 5, answered(503, **dated)) == 45
    assert pause(0, 5, answered(429, **{"Retry-After": "100000"})) is None, "nobody waits a day"
    for odd in ("soon", "-3", ""):
        assert (pause(0, 5, answered(503, **{"Retry-After": odd})) or 9) < 1


def test_pauses_double_and_differ_from_client_to_client() -> None:
    lost = httpx.ConnectError("refused")
    first = {pause(0, 9, lost) for _ in range(20)}
    assert len(first) > 1
    assert all(each is not None and 0.125 <= each <= 0.25 for each in first)
    later = pause(3, 9, lost)
    assert later is not None
    assert 1 <= later <= 2


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 409, 413, 422, 500])
def test_an_answer_that_stays_the_same_is_not_asked_for_again(status: int) -> None:
    assert pause(0, 5, answered(status)) is None


def test_a_request_that_is_still_being_answered_is_asked_for_again() -> None:
    assert pause(0, 5, answered(409, **{"Retry-After": "2"})) == 2


def test_after_so_many_tries_no_more() -> None:
    assert pause(5, 5, answered(503)) is None


def test_what_is_an_answer_or_cannot_be_sent_is_not_tried_again() -> None:
    assert pause(0, 5, answered(503, **{"Retry-After": "2"}), also=(503,)) is None
    assert pause(0, 5, httpx.LocalProtocolError("Illegal header value")) is None


class Busy(BaseHTTPRequestHandler):
    """Answers 503 at first, then that a tag was attached; drops the connection in between."""

    keys: ClassVar[list[str | None]] = []
    left: ClassVar[int] = 2

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        if len(self.keys) == self.left:
            self.close_connection = True
            return
        body = b'{"code": "overloaded", "title": "Too much", "detail": "come again"}'
        self.send_response(503)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        body = b"<html>It works!</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name in the base class
        """Say nothing."""


class Telling(Busy):
    """Tells of a job by Server-Sent Events, one each time it is asked: then it stops, or breaks off within an event."""

    heard: ClassVar[list[str | None]] = []
    told: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self.heard.append(self.headers["Last-Event-ID"])
        body = self.told.pop(0)
        self.send_response(200 if body else 204)
        if body:
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)


def event(mark: str, state: str, *, ended: str = "") -> bytes:
    data = f'{{"id":"7","kind":"add","state":"{state}","created_at":"","result":{{"name":"a\u2028b\x85"}}{ended}}}'
    return f"id: {mark}\r\nevent: job\r\ndata: {data}\r\n\r\n".encode()


@pytest.fixture
def telling() -> Iterator[str]:
    Telling.heard.clear()
    Telling.told[:] = [
        b": still here\r\n\r\n" + event("queued-0-0", "queued"),
        event("running-1-3", "running")[:40],
        b"",
    ]
    yield from running(Telling)


async def gathered(url: str, retries: int = 5) -> list[Job]:
    async with AsyncClient(url, "key", retries=retries) as client:
        return [job async for job in client.jobs.events("7")]


@pytest.mark.parametrize("awaited", [False, True])
def test_events_go_on_behind_what_was_heard_when_their_connection_breaks(telling: str, awaited: bool) -> None:
    Telling.told.insert(2, event("running-2-3", "running") + event("done-3-3", "done", ended=',"finished_at":"now"'))
    if awaited:
        heard = asyncio.run(gathered(telling))
    else:
        with Client(telling, "key") as client:
            heard = [*client.jobs.events("7")]
    assert [job.state for job in heard] == ["queued", "running", "done"]
    assert heard[0].result == {"name": "a\u2028b\x85"}, "a line of an event ends where the standard says"
    assert Telling.heard == [None, "queued-0-0", "queued-0-0"]


def test_events_end_where_the_service_says_that_nothing_is_new(telling: str) -> None:
    with Client(telling, "key") as client:
        assert [job.state for job in client.jobs.events("7")] == ["queued"]


def test_events_that_nobody_tells_are_said_to_be_unreachable(busy: str) -> None:
    with Client(busy, "key", retries=1) as client, pytest.raises(Unreachable, match="none of Opsin's answers"):
        next(client.jobs.events("7"))
    with pytest.raises(Unreachable, match="opsin serve"):
        asyncio.run(gathered("http://127.0.0.1:9", 0))


@pytest.fixture
def busy() -> Iterator[str]:
    Busy.keys.clear()
    yield from running(Busy)


def running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_another_web_server_is_told_from_a_service(busy: str) -> None:
    for retries in (0, 1):
        with Client(busy, "key", retries=retries) as client:
            with pytest.raises(Unreachable, match="none of Opsin's answers"):
                client.tags()
            with pytest.raises(Unreachable, match="none of Opsin's answers"):
                client.jobs.get("one")


@pytest.mark.parametrize(
    ("url", "key", "match"),
    [
        ("127.0.0.1:8484", "key", "is no address of a service"),
        ("http://[::1", "key", "is no address of a service"),
        ("http://", None, "is no address of a service"),
        ("http://127.0.0.1:1", "k\u00fc", "as the key"),
        ("http://127.0.0.1:1", "two\nlines", "as the key"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_is_refused_before_anything_is_sent(
    url: str, key: str | None, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        Client(url, key)
    with pytest.raises(UsageError, match=match):
        AsyncClient(url, key)


def test_what_cannot_be_sent_is_refused() -> None:
    with Client("http://127.0.0.1:9", "key", retries=0) as client:
        for name in ("half \ud800", "long" * 100_000):
            with pytest.raises(UsageError, match="cannot be sent"):
                client.get(name)


def test_a_change_is_sent_again_with_the_key_that_it_had_at_first(busy: str) -> None:
    with Client(busy, "key", retries=3) as client, pytest.raises(Overloaded, match="come again"):
        client.tag("an-id", add=["dog"])
    assert len(Busy.keys) == 4
    assert len(set(Busy.keys)) == 1
    assert Busy.keys[0]
