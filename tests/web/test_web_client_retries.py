"""A client asks again where that makes sense, as late as it was told, and never twice for what is done once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from opsin.client import AsyncClient, Client
from opsin.client.retrying import pause, unreachable
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


class Between(Busy):
    """Stands where a service should be: a proxy that has a page of its own for what goes wrong."""

    status: ClassVar[int] = 404
    packed: ClassVar[str] = "identity"

    def do_GET(self) -> None:
        body = b"<html>Not here</html>"
        self.send_response(self.status)
        self.send_header("Content-Encoding", self.packed)
        if self.status == 301:
            self.send_header("Location", "https://pictures.example/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def between() -> Iterator[str]:
    Between.status, Between.packed = 404, "identity"
    yield from running(Between)


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "404 Not Found"), (401, "401 Unauthorized"), (502, "502"), (301, "to https://pictures.example/")],
)
def test_what_a_proxy_answers_itself_is_no_answer_of_the_service(between: str, status: int, told: str) -> None:
    Between.status = status
    with Client(between, "key", retries=0) as client, pytest.raises(Unreachable, match=told) as caught:
        client.tags()
    assert "/v1/tags answers" in str(caught.value)
    assert caught.value.exit_status == 4


def test_a_body_that_is_not_packed_as_it_says_is_no_answer(between: str) -> None:
    Between.status, Between.packed = 200, "gzip"
    with Client(between, "key") as client, pytest.raises(Unreachable, match="decompressing"):
        client.tags()

    async def asked() -> None:
        async with AsyncClient(between, "key") as client:
            await client.tags()

    with pytest.raises(Unreachable, match="decompressing"):
        asyncio.run(asked())


def test_whether_a_service_answers_is_known_from_what_it_says(busy: str) -> None:
    with Client(busy, "key") as client, pytest.raises(Unreachable, match="none of Opsin's answers"):
        client.load()


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


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_certificates_and_proxies_of_the_environment_that_cannot_be_used_are_named(
    kind: type[Client | AsyncClient], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for file in ("empty.pem", "missing.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / file))
        with pytest.raises(UsageError, match="SSL_CERT_FILE"):
            kind("https://127.0.0.1:9", "key")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy")
    with pytest.raises(UsageError, match="HTTP_PROXY"):
        kind("http://127.0.0.1:9", "key")


def test_a_service_on_this_machine_is_asked_without_a_proxy(busy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    for place in (busy, busy.replace("127.0.0.1", "localhost")):
        with Client(place, "key", retries=0) as client, pytest.raises(Unreachable, match="none of Opsin's answers"):
            client.tags()


def test_a_certificate_that_is_not_trusted_says_how_it_would_be() -> None:
    failed = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    told = str(unreachable(httpx.URL("https://pictures.example/v1"), failed))
    assert "is not trusted" in told
    assert "SSL_CERT_FILE" in told


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
