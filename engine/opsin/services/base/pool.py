"""One bounded pool of threads for everything that prepares pictures in an open library; its callers take turns."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from opsin.catalogue import CLOSED
from opsin.errors import LibraryError

WINDOW = 48
"""Pictures under way at once: enough to keep decoders and batches full, few enough to bound memory."""
P = ParamSpec("P")
T = TypeVar("T")
_Task = Callable[[], None]


class Pool:
    """Runs the work of any number of callers in at most ``most`` threads, which start when they are first needed.

    Of several callers with work that waits, each has one piece done in turn, so that none has to wait for all of another's.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._turn: deque[Caller] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._waiting = 0
        self._closed = False

    def caller(self) -> Caller:
        """Return somebody who has work to be done; leave its ``with`` block, and what has not begun is cancelled."""
        return Caller(self)

    @property
    def waiting(self) -> int:
        """How many pieces of work have not begun."""
        return self._waiting

    @property
    def busy(self) -> int:
        """How many pieces of work are being done."""
        with self._changed:
            return len(self._threads) - self._idle

    def close(self) -> None:
        """Finish what is being done, cancel what waits, and end the threads."""
        with self._changed:
            self._closed = True
            callers = list(self._turn)
            self._changed.notify_all()
        for caller in callers:
            for future in self.take_back(caller):
                future.set_exception(LibraryError(CLOSED))
        for thread in self._threads:
            thread.join()

    def put(self, caller: Caller, task: tuple[Future[Any], _Task]) -> None:
        """Take a piece of work.

        :raises LibraryError: where the pool is closed.
        """
        with self._changed:
            if self._closed:
                raise LibraryError(CLOSED)
            if not caller.tasks:
                self._turn.append(caller)
            caller.tasks.append(task)
            self._waiting += 1
            if self._idle >= self._waiting:
                self._changed.notify()
            elif len(self._threads) < self._most:
                thread = threading.Thread(target=self._work, name=f"opsin-prepare-{len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def take_back(self, caller: Caller) -> list[Future[Any]]:
        """Return the futures of what has not begun for ``caller``, and forget that work."""
        with self._changed:
            futures = [future for future, _ in caller.tasks]
            if caller.tasks:
                self._waiting -= len(caller.tasks)
                caller.tasks.clear()
                self._turn.remove(caller)
        return futures

    def _work(self) -> None:
        while (task := self._next()) is not None:
            task()
            del task  # it holds the picture

    def _next(self) -> _Task | None:
        with self._changed:
            while not self._turn and not self._closed:
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            if not self._turn:
                return None
            caller = self._turn.popleft()
            _, task = caller.tasks.popleft()
            self._waiting -= 1
            if caller.tasks:
                self._turn.append(caller)
            return task


class Caller:
    """Somebody whose work a pool does. ``tasks`` have not begun; they are the pool's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.tasks: deque[tuple[Future[Any], _Task]] = deque()

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have ``work`` done in a thread of the pool. Callbacks of the future run there, too: keep them short.

        :raises LibraryError: where the library was closed.
        """
        future: Future[T] = Future()

        def task() -> None:
            if future.set_running_or_notify_cancel():
                _settle(future, lambda: work(*args, **kwargs))

        self._pool.put(self, (future, task))
        return future

    def close(self) -> None:
        """Cancel what has not begun."""
        for future in self._pool.take_back(self):
            future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def done_here(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Do ``work`` at once, in the calling thread, and return it as :meth:`Caller.submit` does."""
    future: Future[T] = Future()
    _settle(future, lambda: work(*args, **kwargs))
    return future


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is raised where the result is taken
        future.set_exception(error)
    else:
        future.set_result(result)
