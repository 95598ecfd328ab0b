"""The threads that run lanes in turn, and the watch that gives up calls which pass their deadline."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from opsin.errors import DeadlineExceeded, PluginError
from opsin.host.describe import describe, failure
from opsin.host.lane import OUT_OF_USE, Lane
from opsin.host.target import Job

log = logging.getLogger("opsin.host")

Answer = TypeVar("Answer")

_AFTER_KILL = 5.0
"""Seconds that a thread is given to notice that its process was killed."""


class _Abandoned(BaseException):
    """Unwinds a thread that was given up while it was inside a plugin."""


class Call:
    """One call of a plugin object that is under way. ``until`` is in seconds of ``time.monotonic``."""

    __slots__ = ("error", "lane", "until")

    def __init__(self, lane: Lane, seconds: float) -> None:
        self.lane = lane
        self.until = time.monotonic() + seconds
        self.error: DeadlineExceeded | None = None


_here = threading.local()
"""``call`` is what the current thread has under way."""


@contextmanager
def clock_stopped() -> Iterator[None]:
    """Do not count the time against the call that the current thread is in: it waits for another object."""
    call: Call | None = getattr(_here, "call", None)
    if call is None:
        yield
        return
    left = call.until - time.monotonic()
    call.until = math.inf
    try:
        yield
    finally:
        call.until = time.monotonic() + left


class Runner:
    """One thread that runs its lanes in turn; a thread that is stuck in a call is given up and replaced."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Condition()
        self.lanes: list[Lane] = []
        self.call: Call | None = None
        self._turn = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._ident: int | None = None

    def add(self, lane: Lane) -> None:
        """Give ``lane`` to this thread."""
        with self.lock:
            lane.runner = self
            self.lanes.append(lane)

    def remove(self, lane: Lane) -> None:
        """Close ``lane`` once what waits for it is done."""
        with self.lock:
            lane.closing = True
            self.lock.notify()

    def finish(self) -> None:
        """Let the thread end once its lanes are closed, without waiting for it."""
        with self.lock:
            self._closing = True
            self.lock.notify()

    @property
    def finished(self) -> bool:
        """Whether the thread has ended, or never began, after ``finish``."""
        return self._closing and (self._thread is None or not self._thread.is_alive())

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this runner's thread."""
        return self._ident == threading.get_ident()

    def start(self) -> None:
        """Begin; does nothing where the thread runs."""
        with self.lock:
            if self._thread is None and not self._closing:
                self._spawn()

    def _spawn(self) -> None:
        self._thread = threading.Thread(target=self._main, name=f"opsin-{self.name}", daemon=True)
        self._thread.start()

    def put(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Queue ``jobs`` for ``lane``, or settle them at once where it is out of use."""
        with self.lock:
            refusal = PluginError("the plugin host is closed") if self._closing else lane.refusal()
            if refusal is None:
                for job in jobs:
                    (lane.calls if job.method else lane.waiting).append(job)
                if self._thread is None:
                    self._spawn()
                if not self.is_current:
                    self.lock.notify()
        if refusal is not None:
            for job in jobs:
                job.settle(None, refusal)

    def _main(self) -> None:
        self._ident = threading.get_ident()
        try:
            while self._step():
                pass
        except _Abandoned:
            return

    def _step(self) -> bool:
        with self.lock:
            while (lane := self._next()) is None:
                if self._closing:
                    return False
                self.lock.wait()
            jobs = lane.take()
        try:
            if jobs:
                lane.work(jobs)
            else:
                self._close_lane(lane)
        except Exception as error:
            log.exception("the host failed while it ran the %s; what it was running is answered with that", lane.title)
            lane.settle_all(lane.in_hand, PluginError(f"the host failed: {describe(error)}"))
        return True

    def _next(self) -> Lane | None:
        """Return the lane whose turn it is: calls before batches, else the next one in turn with something to do."""
        count = len(self.lanes)
        for lane in self.lanes:
            if lane.calls:
                return lane
        for step in range(count):
            lane = self.lanes[(self._turn + step) % count]
            if lane.waiting or lane.closing or (self._closing and not lane.closing):
                self._turn = (self._turn + step + 1) % count
                return lane
        return None

    def _close_lane(self, lane: Lane) -> None:
        lane.closing = True
        try:
            if lane.loaded and not lane.health.stuck:
                self.guarded(lane, lane.deadline, lane.target.close)
        except PluginError as error:
            log.warning("closing failed: %s", error)
        with self.lock:
            lane.loaded = False
            if lane in self.lanes:
                self.lanes.remove(lane)

    def guarded(self, lane: Lane, seconds: float, function: Callable[[], Answer], subject: str = "") -> Answer:
        """Call ``function`` of a plugin object under a deadline; every way of failing becomes a PluginError.

        Its message begins with ``subject``, else with what the object is called.
        """
        subject = subject or f"the {lane.title}"
        with self.lock:
            if not self.is_current:
                raise _Abandoned
            self.call = _here.call = call = Call(lane, seconds)
        failed: PluginError | None = None
        answer: Answer | None = None
        try:
            answer = function()
        except _Abandoned:
            raise
        except PluginError as error:
            failed = type(error)(f"{subject} {error}")
            failed.__cause__ = error.__cause__
        except BaseException as error:  # noqa: BLE001 - whatever a plugin raises, SystemExit included, stays with it
            failed = PluginError(f"{subject} {failure(error)}")
            failed.__cause__ = error
        with self.lock:
            if not self.is_current:
                lane.health.stuck = False
                raise _Abandoned
            self.call = _here.call = None
        if call.error is not None:
            raise call.error
        if failed is not None:
            raise failed
        return answer  # type: ignore[return-value]

    def watch(self) -> None:
        """Give up the call that is under way where its deadline has passed. Called by the watch's thread."""
        call = self.call
        if call is None or time.monotonic() < call.until:
            return
        lane = call.lane
        if call.error is not None:  # again: the process may have begun just after the first time
            lane.target.kill()
            return
        with self.lock:
            if self.call is not call:
                return
            call.error = error = DeadlineExceeded(
                f"the {lane.title} did not answer within {lane.deadline:g} s"
                if lane.loaded
                else f"the {lane.title} was not loaded within {lane.load_deadline:g} s"
            )
            jobs = [] if lane.target.isolated else self._abandon(call, error)
        if lane.target.isolated:
            lane.target.kill()
            return
        log.error("%s; its thread is given up", error, extra=OUT_OF_USE)
        for job in jobs:
            job.settle(None, error)

    def _abandon(self, call: Call, error: DeadlineExceeded) -> list[Job]:
        """Replace the thread; return what waited for the object that it was running."""
        call.lane.health.hung(str(error))
        error.after = call.lane.health.after
        jobs = call.lane.give_up(error)
        self.call = None
        self._ident = None
        self._spawn()
        return jobs

    def begin_close(self) -> None:
        """Settle what waits, and let the thread finish the call it is in and close the objects."""
        with self.lock:
            self._closing = True
            dropped = [job for lane in self.lanes for job in lane.drain()]
            self.lock.notify()
            if self._thread is None and any(lane.loaded for lane in self.lanes):
                self._spawn()
        for job in dropped:
            job.settle(None, PluginError("the plugin host is closed"))

    def join(self, until: float) -> None:
        """Wait for the end of the thread, but no longer than ``until`` (``time.monotonic``): then leave it behind."""
        while self._alive() and time.monotonic() < until:
            time.sleep(0.005)
        if not self._alive():
            return
        for lane in self.lanes:
            lane.target.kill()
        killed = time.monotonic() + _AFTER_KILL
        while any(lane.target.isolated for lane in self.lanes) and self._alive() and time.monotonic() < killed:
            time.sleep(0.005)
        self._leave_behind()

    def _alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive() and thread is not threading.current_thread()

    def _leave_behind(self) -> None:
        """Settle what a thread has in hand that does not end; it unwinds if it ever comes back."""
        with self.lock:
            if not self._alive():
                return
            self._ident = None
            error = DeadlineExceeded("the plugin host was closed while this was under way")
            jobs = [job for lane in self.lanes for job in lane.give_up(error)]
        log.warning("the thread %r is still inside a plugin and is left behind", self.name)
        for job in jobs:
            job.settle(None, error)


class Watch:
    """One thread that looks at all runners, a few times within the shortest deadline."""

    def __init__(self, runners: Callable[[], Sequence[Runner]], interval: float) -> None:
        self._runners = runners
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name="opsin-watch", daemon=True)
            self._thread.start()

    def _main(self) -> None:
        while not self._stop.wait(self._interval):
            for runner in self._runners():
                try:
                    runner.watch()
                except Exception:  # one runner's fault must not end the watch over the others
                    log.exception("the watch failed at the runner %r", runner.name)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
