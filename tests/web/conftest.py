"""Runs `opsin serve` in a process of its own, on a library with the fake encoder, and asks it over loopback."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import opsin

if TYPE_CHECKING:
    from tests.nursery import Nursery, nursery
else:
    from nursery import Nursery, nursery

SETTINGS = """\
[host]
extra_plugins = ["opsin.testing.plugin"]

[plugins.starter]
enabled = false

[plugins.open_clip]
enabled = false

[serve]
hosts = ["opsin.example"]
origins = ["https://shop.example"]
max_body = 2_000_000
body_timeout = 2.0
uploads = 4

[decode]
max_bytes = 1_000_000
"""
PATIENCE = 60.0


class Served:
    """A service in another process: its address, its admin key and its library."""

    def __init__(self, opsin_: Nursery, home: Path, *arguments: str) -> None:
        log = ["--log", "json"]
        self.process = opsin_.start("serve", home, "--port", "0", "--json", *log, *arguments, errors=home / "log")
        self.home = home
        self.key = (home / "admin.key").read_text().strip()
        self.url = str(json.loads(self.process.wait_for_line())["url"])
        self.client = self.client_with(self.key)

    def client_with(self, key: str | None) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE)

    def connected(self) -> socket.socket:
        """Return a connection to it, for what an HTTP client would not send."""
        host, port = self.url.partition("://")[2].split(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def raw(self, request: bytes) -> bytes:
        """Send these bytes and return the answer."""
        with self.connected() as line:
            line.sendall(request)
            answer = b""
            while more := line.recv(65536):
                answer += more
                begin, _, body = answer.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", begin)
                if length and len(body) >= int(length[1]):
                    break
            return answer

    def log_of(self, request_id: str) -> list[dict[str, Any]]:
        """Return what the log says of a request; its line is written after its answer."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            lines = [
                json.loads(line)
                for line in (self.home / "log").read_text().splitlines(keepends=True)
                if line.endswith("\n")
            ]
            if any(line.get("event") == "request" and line["request_id"] == request_id for line in lines):
                return [line for line in lines if line.get("request_id") == request_id]
            time.sleep(0.01)
        raise AssertionError(request_id)

    def wait_until_ready(self) -> None:
        until = time.monotonic() + PATIENCE
        while self.client.get("/v1/health/ready").status_code != 200:
            assert time.monotonic() < until, (self.home / "log").read_text()
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
        """Stop it as a service manager does, and return what it said after its address."""
        self.process.send(number)
        self.process.wait()
        self.client.close()
        return [json.loads(line) for line in self.process.output.splitlines()[1:]]


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def service_nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery") / "said") as made:
        yield made


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, service_nursery: Nursery) -> Iterator[Serve]:
    """Return a function that makes a library and serves it, or serves one that is there."""
    running: list[Served] = []

    def start(home: Path | None = None, *arguments: str) -> Served:
        if home is None:
            home = tmp_path_factory.mktemp("served")
            (home / "opsin.toml").write_text(SETTINGS, "utf-8")
            opsin.init(home, encoder="fake").close()
        running.append(Served(service_nursery, home, *arguments))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="module")
def served(serve: Serve) -> Served:
    """Return a service that is ready."""
    made = serve()
    made.wait_until_ready()
    return made
