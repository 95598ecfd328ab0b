"""Lets one thread at a time write, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Queue:
    """A lock that is handed to whoever has waited longest.

    SQLite lets writers who wait try again from time to time, so that one may wait for many seconds, and be refused in the
    end, while others who come later are lucky.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._holder: int | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, and hold it.

        :raises RuntimeError: where this thread holds it already, and would wait for itself.
        """
        me = threading.get_ident()
        with self._guard:
            if self._holder == me:
                raise RuntimeError("a transaction was begun within another one of the same thread")
            mine = threading.Lock() if self._holder is not None else None
            if mine is None:
                self._holder = me
            else:
                mine.acquire()
                self._waiting.append(mine)
        if mine is not None:
            self._wait(mine)
            self._holder = me
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, mine: threading.Lock) -> None:
        try:
            mine.acquire()
        except BaseException:  # Ctrl-C: nobody may hand the turn to somebody who is gone
            with self._guard:
                handed = mine not in self._waiting
                if not handed:
                    self._waiting.remove(mine)
            if handed:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Hand the turn to the next one; until that one runs, it counts as held by nobody in particular."""
        with self._guard:
            if self._waiting:
                self._holder = 0
                self._waiting.popleft().release()
            else:
                self._holder = None
