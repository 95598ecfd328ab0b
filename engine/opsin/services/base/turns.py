"""The jobs that run in this process: what they say of themselves, and how they are told to end."""

from __future__ import annotations

import threading
import time

_BLINK = 0.5
"""Seconds after which a job that pauses looks whether it is cancelled."""


class Ended(Exception):
    """Raised in a job that is to end now, because it was cancelled or because its process stops; what it stored stays."""


class Turn:
    """What a job says while it runs, and is asked: :meth:`step` is called after each piece."""

    def __init__(self, job: str, stop: threading.Event) -> None:
        """``job`` is the id of the job that this is the turn of; it ends when ``stop`` is set."""
        self.job = job
        self._stop = stop
        self._cancelled = threading.Event()
        self.done = 0
        self.total: int | None = None

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants it to end."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Have it end after the piece in hand."""
        self._cancelled.set()

    def expect(self, total: int) -> None:
        """Say how many pieces there are.

        :raises Ended: where the job is to end.
        """
        self.total = total
        self.step(0)

    def begin_anew(self) -> None:
        """Say that all pieces are to be dealt with again.

        :raises Ended: where the job is to end.
        """
        self.done = 0
        self.step(0)

    def pause(self, seconds: float) -> None:
        """Wait for something that is out of order.

        :raises Ended: where the job is to end, at once or soon.
        """
        until = time.monotonic() + seconds
        self.step(0)
        while (left := until - time.monotonic()) > 0:
            self._stop.wait(min(left, _BLINK))
            self.step(0)

    def step(self, pieces: int = 1) -> None:
        """Say that pieces are dealt with and stored.

        :raises Ended: where the job is to end.
        """
        self.done += pieces
        if self._cancelled.is_set() or self._stop.is_set():
            raise Ended


class Running:
    """The jobs that run in this process, by id, and a bell for new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, Turn] = {}
        self.news = threading.Condition()

    def get(self, identity: str) -> Turn | None:
        """Return what a job says that runs in this process."""
        with self._lock:
            return self._turns.get(identity)

    def put(self, turn: Turn) -> None:
        """Let others find the turn of a job that begins."""
        with self._lock:
            self._turns[turn.job] = turn

    def drop(self, turn: Turn) -> None:
        """Forget the turn of a job that ended."""
        with self._lock:
            del self._turns[turn.job]

    def ring(self) -> None:
        """Say that there is a new job."""
        with self.news:
            self.news.notify_all()
