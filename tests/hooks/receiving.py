"""A receiver of webhooks on loopback, whose answers a test chooses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], int]
"""Given the event, the status to answer with; 0 hangs up without an answer."""


class Receiver(ThreadingHTTPServer):
    """Remembers what came: headers, body and the event in it."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer: Answer = lambda _: 204
        self.headers: dict[str, str] = {}
        self.pause = 0.0
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.news = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.came]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def wait_for(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.came) >= count, seconds), self.kinds()
        return self.events

    def handle_error(self, *_: object) -> None:
        """A client that hangs up early is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = server.answer(json.loads(body))
        time.sleep(server.pause)
        with server.news:
            server.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            server.news.notify_all()
        if status == 0:
            return
        self.send_response(status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if status == 200:
            self.wfile.write(b"x" * 100_000)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver."""
    with Receiver(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
