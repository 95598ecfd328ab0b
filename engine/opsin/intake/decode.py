"""The pool of killable processes that decode pictures: bytes in, upright sRGB frames out."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from opsin.errors import LimitExceeded, UnreadablePicture, UsageError
from opsin.intake.formats import Format, require_format
from opsin.intake.process import WorkerProcess
from opsin.intake.wire import Answer, Job, Setup
from opsin.plugin.objects import Frame
from opsin.plugin.view import View
from opsin.settings import DecodeSettings

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture in pixels.

    ``frames``: at least one, views prepared. ``width`` and ``height``: the original's, upright. ``format`` and
    ``mime`` come from the bytes. ``frame_count``: how many frames the original holds. ``transparent``: a part was not
    opaque, and was laid on white. ``taken_at``: ISO 8601 from EXIF, with an offset where EXIF has one.
    ``orientation``: EXIF's 1..8, already applied.
    """

    frames: list[Frame]
    width: int
    height: int
    format: str
    mime: str
    frame_count: int
    transparent: bool
    taken_at: str | None
    orientation: int


@dataclass(slots=True)
class _Task:
    data: bytes
    kind: Format
    preview: int
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

    def preview(self, data: bytes, width: int) -> Future[bytes]:
        """Make a WebP preview that fits into ``width`` x ``width`` pixels, without metadata."""
        if width < 1:
            raise UsageError("A preview is at least 1 pixel wide.")
        return self._enqueue(data, width)

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

    def _enqueue(self, data: bytes, preview: int) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            if len(data) > self._settings.max_bytes:
                msg = f"The file has {len(data):,} bytes; decode.max_bytes allows {self._settings.max_bytes:,}."
                raise LimitExceeded(msg, limit="decode.max_bytes")  # noqa: TRY301
            kind = require_format(data)
        except (LimitExceeded, UnreadablePicture) as error:
            future.set_exception(error)
            return future
        with self._ready:
            if self._closed:
                raise UsageError("The decoder is closed.")
            self._tasks.append(_Task(data, kind, preview, future))
            if self._idle >= len(self._tasks):
                self._ready.notify()
            elif len(self._lanes) < self._most:
                self._add_lane()
        return future

    def _add_lane(self) -> None:
        self._lanes.append(_Lane(self, self._setup, len(self._lanes)))
        self._lanes[-1].thread.start()

    def take(self) -> _Task | None:
        """Wait for the next task; None once the decoder is closed."""
        with self._ready:
            self._idle += 1
            while not self._tasks and not self._closed:
                self._ready.wait()
            self._idle -= 1
            return self._tasks.popleft() if self._tasks else None

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
        self.thread = threading.Thread(target=self._serve, name=f"opsin-decode-{number}", daemon=True)

    def stop(self) -> None:
        """Kill the worker, so that a thread which waits for it wakes up."""
        with self._guard:
            if self._worker is not None:
                self._worker.kill()

    def _serve(self) -> None:
        try:
            self._process()
            while (task := self._decoder.take()) is not None:
                if task.future.set_running_or_notify_cancel():
                    self._do(task)
                del task
        finally:
            with self._guard:
                worker, self._worker = self._worker, None
            if worker is not None:
                worker.close()

    def _do(self, task: _Task) -> None:
        """Settle the future of one task, whatever happens to the worker."""
        try:
            result = self._run(task)
        except (LimitExceeded, UnreadablePicture, CancelledError, OSError, MemoryError) as error:
            task.future.set_exception(error)
        else:
            task.future.set_result(result)

    def _run(self, task: _Task) -> Decoded | bytes:
        worker = self._process()
        settings = self._setup.settings
        answer = worker.run(Job(len(task.data), task.kind.name, task.preview), task.data, settings.timeout)
        if self._decoder.closed and not isinstance(answer, Answer):
            raise CancelledError
        if answer is None:
            msg = f"The {task.kind.title} takes longer to decode than the {settings.timeout:g} s of decode.timeout."
            raise LimitExceeded(msg, limit="decode.timeout")
        if isinstance(answer, str):
            msg = f"The {task.kind.title} makes its decoder crash ({answer})."
            raise UnreadablePicture(msg)
        if answer.problem == "limit":
            raise LimitExceeded(answer.message, limit=answer.limit)
        if answer.problem:
            raise UnreadablePicture(answer.message)
        return worker.read(answer.size) if task.preview else self._decoded(task.kind, answer, worker)

    def _decoded(self, kind: Format, answer: Answer, worker: WorkerProcess) -> Decoded:
        frames: list[Frame] = []
        at = 0
        for plane in answer.planes:
            pixels, at = worker.pixels(plane.height, plane.width, at)
            views = {}
            for view in self._setup.views:
                views[view], at = worker.pixels(view.crop, view.crop, at)
            frames.append(
                Frame(
                    pixels,
                    width=answer.width,
                    height=answer.height,
                    number=plane.number,
                    total=answer.frame_count,
                    views=views,
                )
            )
        worker.clear()
        return Decoded(
            frames=frames,
            width=answer.width,
            height=answer.height,
            format=kind.name,
            mime=kind.mime,
            frame_count=answer.frame_count,
            transparent=answer.transparent,
            taken_at=answer.taken_at,
            orientation=answer.orientation,
        )

    def _process(self) -> WorkerProcess:
        """Return a living worker, a fresh one where the last was killed, crashed or has served its time."""
        with self._guard:
            if self._decoder.closed:
                raise CancelledError
            if self._worker is not None and self._worker.spent:
                self._worker.close()
                self._worker = None
            if self._worker is None:
                self._worker = WorkerProcess(self._setup)
            return self._worker


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1
