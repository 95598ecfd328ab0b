"""A receiver of webhooks that sometimes answers 500, and counts what it took."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_REFUSED = 0.05
"""Share of the events that are answered 500."""


class Receiver(ThreadingHTTPServer):
    """``events`` holds the ids of those it took, by kind and by what they are about: an asset or a job."""

    daemon_threads = True

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.answers: Counter[int] = Counter()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def take(self, identity: str, body: bytes) -> int:
        """Note an event, or not, and return the status to answer with."""
        event = json.loads(body)
        about = event["data"].get("asset") or event["data"].get("job")
        with self._lock:
            status = 500 if self._chance.random() < _REFUSED else 204
            self.answers[status] += 1
            if status == 204:
                self.events[event["type"], about["id"]].add(identity)
        return status


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        if not isinstance(server, Receiver):
            raise TypeError
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(server.take(self.headers["webhook-id"], body))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(seed: int) -> Iterator[Receiver]:
    """Run a receiver on loopback."""
    with Receiver(seed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
