"""A client asks again where that makes sense, as late as it was told, and never twice for what is done once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import pytest

from opsin.client import Client
from opsin.client.retrying import pause
from opsin.errors import Overloaded


def answered(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers)


def test_a_pause_is_as_long_as_the_service_says() -> None:
    assert pause(0, 5, answered(503, **{"Retry-After": "7"})) == 7
    assert pause(0, 5, answered(429, **{"Retry-After": "100000"})) == 30


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

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name in the base class
        """Say nothing."""


@pytest.fixture
def busy() -> Iterator[str]:
    Busy.keys.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_change_is_sent_again_with_the_key_that_it_had_at_first(busy: str) -> None:
    with Client(busy, "key", retries=3) as client, pytest.raises(Overloaded, match="come again"):
        client.tag("an-id", add=["dog"])
    assert len(Busy.keys) == 4
    assert len(set(Busy.keys)) == 1
    assert Busy.keys[0]
