"""Limits hold before work is done: bodies that are too large are refused unread, and stopping answers what was begun."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served

RED = jpeg_bytes(make_picture("red", "square", 96))
BOUNDARY = "multipart/form-data; boundary=x"


def head(served: Served, address: str, *lines: str) -> bytes:
    first = (f"POST {address} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {served.key}")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def answer_of(line: socket.socket) -> bytes:
    """Return what comes until the connection ends, or the answer is whole."""
    answer = b""
    while more := line.recv(65536):
        answer += more
        if b"problem:" in answer or b'"results"' in answer:
            break
    return answer


def is_open(service: Served) -> bool:
    """Return whether it takes connections and answers them."""
    try:
        with service.connected() as line:
            line.sendall(b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return bool(line.recv(1))
    except OSError:
        return False


@pytest.mark.parametrize("more", [(), ("Idempotency-Key: large",), ("Expect: 100-continue",)])
@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/v1/assets", BOUNDARY),
        ("/v1/assets", "image/jpeg"),
        ("/v1/assets", "application/json"),
        ("/v1/analyse", BOUNDARY),
        ("/v1/search", "application/json"),
        ("/v1/keys", "application/json"),
    ],
)
def test_a_body_that_is_too_large_is_refused_by_its_length_before_it_is_sent(
    served: Served, address: str, kind: str, more: tuple[str, ...]
) -> None:
    with served.connected() as line:
        line.sendall(head(served, address, f"Content-Type: {kind}", "Content-Length: 2000001", *more))
        answer = answer_of(line)
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert b"serve.max_body" in answer or b"decode.max_bytes" in answer


@pytest.mark.parametrize("more", [(), ("Idempotency-Key: endless",)])
@pytest.mark.parametrize("kind", [BOUNDARY, "image/jpeg", "application/json"])
def test_a_body_of_unknown_length_is_read_no_further_than_is_allowed(
    served: Served, kind: str, more: tuple[str, ...]
) -> None:
    with served.connected() as line:
        line.sendall(head(served, "/v1/assets", f"Content-Type: {kind}", "Transfer-Encoding: chunked", *more))
        first = b'--x\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' if kind is BOUNDARY else b""
        chunk = first + b"x" * 50_000
        sent = 0
        try:
            while sent < 20_000_000:
                line.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                sent += len(chunk)
        except OSError:
            pass  # refused and closed
        else:
            raise AssertionError(sent)


def test_without_a_key_no_body_is_read(served: Served) -> None:
    with served.connected() as line:
        line.sendall(b"POST /v1/assets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert answer_of(line).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("begun", [b"", b"GET /v1/ver", b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_does_not_come_ends_the_connection(served: Served, begun: bytes) -> None:
    with served.connected() as line:
        line.sendall(begun)
        answer = answer_of(line)
    assert not answer if not begun else answer.startswith(b"HTTP/1.1 408 ")


def test_stopping_answers_what_was_begun_and_refuses_what_comes_later(serve: Serve) -> None:
    service = serve()
    service.wait_until_ready()
    with service.connected() as line:
        line.sendall(head(service, "/v1/assets", "Content-Type: image/jpeg", f"Content-Length: {len(RED)}") + RED[:-1])
        time.sleep(0.3)
        service.process.send(signal.SIGTERM)
        assert json.loads(service.process.wait_for_line(1))["event"] == "stopping"
        until = time.monotonic() + 30
        while is_open(service):
            assert time.monotonic() < until
            time.sleep(0.05)
        line.sendall(RED[-1:])
        assert answer_of(line).startswith(b"HTTP/1.1 201 ")
    assert service.stop()[-1]["event"] == "stopped"
    assert service.process.status == 0
    log = (service.home / "log").read_text()
    assert "1 requests under way are answered first" in log
    assert "0 requests were left unanswered" in log
    with opsin.open(service.home) as library:
        assert library.count() == 1
        assert library.status().index.unsaved == 0


def test_a_disk_that_takes_nothing_is_the_services_fault_told_to_who_can_mend_it(serve: Serve) -> None:
    service = serve()
    service.wait_until_ready()
    (service.home / "staged").write_text("stands where a folder is needed")
    key = service.client.post("/v1/keys", json={"name": "shop", "scope": "write"}).json()["key"]
    with service.client_with(key) as shop:
        answers = [each.post("/v1/assets?wait=false", files={"file": RED}) for each in (service.client, shop)]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "unwritable"), answer.text
        assert "Retry-After" in answer.headers
    assert [str(service.home) in answer.json()["detail"] for answer in answers] == [True, False]
    told = [each for each in service.log_of(answers[1].headers["X-Request-Id"]) if each["level"] == "error"]
    assert any(str(service.home / "staged") in each["message"] for each in told)
    assert service.client.post("/v1/assets", files={"file": RED}).status_code == 201
