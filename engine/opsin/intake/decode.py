"""The pool of killable processes that decode pictures: bytes in, upright sRGB frames out."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from opsin.cores import available_cores
from opsin.errors import LibraryError, LimitExceeded, Refused, UnreadablePicture, UsageError
from opsin.intake.decoded import Decoded, decoded
from opsin.intake.formats import Format, require_format
from opsin.intake.process import WorkerProcess
from opsin.intake.wire import Answer, PreviewForm, Setup, no_room
from opsin.plugin.view import View
from opsin.settings import DecodeSettings

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(slots=True)
class _Task:
    data: bytes
    kind: Format
    preview: int
    form: PreviewForm
    future: Future[Any]


class Decoder:
    """Decodes pictures in worker processes, each of which dies alone.

    ``min_side`` is the shorter side in pixels that frames keep (they may be smaller only where the original is);
    ``views`` are prepared for every frame. Nothing starts before the first ``submit``, and workers start as the work
    asks for them, up to ``settings.workers`` (0: as many as there are cores). Threads may share a decoder. The queue
    is not bounded: who submits holds back.
    """

    def __init__(self, settings: DecodeSettings, *, min_side: int, views: Sequence[View] = ()) -> None:
        if min_side < 1:
            raise UsageError("min_side must be at least 1.")
        self._settings = settings
        self._setup = Setup(settings, max([min_side, *(view.min_side for view in views)]), tuple(views))
        self._most = settings.workers or available_cores()
        self._tasks: deque[_Task] = deque()
        self._ready = threading.Condition()
        self._lanes: list[_Lane] = []
        self._idle = 0
        self._closed = False

    def submit(self, data: bytes) -> Future[Decoded]:
        """Decode ``data``. The future fails with UnreadablePicture or LimitExceeded where the picture is refused."""
        return self._enqueue(data, 0)

    def preview(self, data: bytes, width: int, form: PreviewForm = "webp") -> Future[bytes]:
        """Make a preview that fits into ``width`` x ``width`` pixels, without metadata."""
        if width < 1:
            raise UsageError("A preview is at least 1 pixel wide.")
        return self._enqueue(data, width, form)

    def start(self) -> None:
        """Start one worker now, so that the first picture does not wait for it. Does not block."""
        with self._ready:
            if not self._lanes and not self._closed:
                self._add_lane()

    def close(self) -> None:
        """End the workers at once. What waits is cancelled; what is being decoded fails with CancelledError."""
        with self._ready:
            self._closed = True
            waiting = list(self._tasks)
            self._tasks.clear()
            lanes = list(self._lanes)
            self._ready.notify_all()
        for task in waiting:
            task.future.cancel()
        for lane in lanes:
            lane.stop()
        for lane in lanes:
            lane.thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enqueue(self, data: bytes, preview: int, form: PreviewForm = "webp") -> Future[Any]:
        future: Future[Any] = Future()
        try:
            if len(data) > self._settings.max_bytes:
                msg = f"The file has {len(data):,} bytes; decode.max_bytes allows {self._settings.max_bytes:,}."
                raise LimitExceeded(msg, limit="decode.max_bytes")
            kind = require_format(data)
        except (LimitExceeded, UnreadablePicture) as error:
            future.set_exception(error)
            return future
        with self._ready:
            if self._closed:
                raise UsageError("The decoder is closed.")
            self._tasks.append(_Task(data, kind, preview, form, future))
            if self._idle >= len(self._tasks):
                self._ready.notify()
            elif len(self._lanes) < self._most:
                self._add_lane()
        return future

    def _add_lane(self) -> None:
        lane = _Lane(self, self._setup, len(self._lanes))
        lane.thread.start()
        self._lanes.append(lane)

    def take(self) -> _Task | None:
        """Wait for the next task; None once the decoder is closed."""
        with self._ready:
            self._idle += 1
            while not self._tasks and not self._closed:
                self._ready.wait()
            self._idle -= 1
            return self._tasks.popleft() if self._tasks else None

    def take_ahead(self) -> _Task | None:
        """Return a task to hold ready behind the one in work; None where there is none, or another lane is free."""
        with self._ready:
            return self._tasks.popleft() if self._tasks and not self._idle else None

    @property
    def closed(self) -> bool:
        return self._closed


class _Lane:
    """One thread with one worker process at a time."""

    def __init__(self, decoder: Decoder, setup: Setup, number: int) -> None:
        self._decoder = decoder
        self._setup = setup
        self._worker: WorkerProcess | None = None
        self._guard = threading.Lock()
        # In the worker's hands, the oldest first.
        self._given: deque[_Task] = deque()
        self.thread = threading.Thread(target=self._serve, name=f"opsin-decode-{number}", daemon=True)

    def stop(self) -> None:
        """Kill the worker, so that a thread which waits for it wakes up."""
        with self._guard:
            if self._worker is not None:
                self._worker.kill()

    def _serve(self) -> None:
        self._warm()
        while (task := self._next()) is not None or self._given:
            if task is None:
                self._settle(self._given[0])
            elif task.future.set_running_or_notify_cancel():
                self._give(task)
        self._replace()

    def _warm(self) -> None:
        """Start the worker while the first task is on its way; a failure is told to that task."""
        with contextlib.suppress(OSError, CancelledError):
            self._living()

    def _next(self) -> _Task | None:
        """Return a task that the worker has room for, waiting for one only where it has nothing to do."""
        if not self._given:
            return self._decoder.take()
        worker = self._worker
        return None if worker is None or worker.full or worker.spent else self._decoder.take_ahead()

    def _give(self, task: _Task) -> None:
        try:
            self._living().give(task.data, task.kind, task.preview, task.form)
            self._given.append(task)
        except OSError as error:
            task.future.set_exception(no_room(error))
        except CancelledError as error:
            task.future.set_exception(error)

    def _settle(self, task: _Task) -> None:
        """Wait for the oldest task and settle its future, whatever happens to the worker."""
        worker = self._worker
        try:
            if worker is None:
                raise CancelledError
            result = self._result(worker, task)
            worker.done()
        except (Refused, LibraryError, CancelledError, OSError, MemoryError) as error:
            if worker is not None and not isinstance(error, Refused):
                worker.kill()
            self._given.popleft()
            self._recover()
            task.future.set_exception(no_room(error) if isinstance(error, (OSError, MemoryError)) else error)
        else:
            self._given.popleft()
            self._recover()
            task.future.set_result(result)

    def _recover(self) -> None:
        """Where the worker is spent, give what it still held to a fresh one: only the oldest task can be to blame."""
        if self._worker is not None and not self._worker.spent:
            return
        self._replace()
        held = list(self._given)
        self._given.clear()
        for task in held:
            self._give(task)

    def _result(self, worker: WorkerProcess, task: _Task) -> Decoded | bytes:
        settings = self._setup.settings
        answer = worker.take(settings.timeout)
        if self._decoder.closed and not isinstance(answer, Answer):
            raise CancelledError
        if answer is None:
            msg = f"The {task.kind.title} takes longer to decode than the {settings.timeout:g} s of decode.timeout."
            raise LimitExceeded(msg, limit="decode.timeout")
        if isinstance(answer, str):
            msg = f"The {task.kind.title} makes its decoder crash ({answer})."
            raise UnreadablePicture(msg)
        if answer.problem == "room":
            raise LibraryError(answer.message)
        if answer.problem:
            worker.done()
            if answer.problem == "limit":
                raise LimitExceeded(answer.message, limit=answer.limit)
            raise UnreadablePicture(answer.message)
        try:
            return worker.read(answer.size) if task.preview else decoded(task.kind, answer, worker, self._setup.views)
        except (OSError, ValueError) as error:
            worker.kill()
            msg = f"The decoding process answered nonsense about the {task.kind.title}: {error}."
            raise UnreadablePicture(msg) from error

    def _living(self) -> WorkerProcess:
        """Return a worker that takes jobs, a fresh one where the last was killed, crashed or has served its time."""
        if self._worker is not None and self._worker.spent:
            self._replace()
        with self._guard:
            if self._decoder.closed:
                raise CancelledError
            if self._worker is None:
                self._worker = WorkerProcess(self._setup)
            return self._worker

    def _replace(self) -> None:
        with self._guard:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
