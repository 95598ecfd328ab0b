"""One worker process as its owner sees it: start, hand a job over, wait no longer than allowed, kill."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing import spawn
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from opsin.intake.wire import Answer, Job, Setup, receive, send

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A worker is replaced after so many pictures: what a library leaks goes with it.
PICTURES = 2000
# How long a worker may take to start, in seconds: generous, because a loaded machine is slow but not broken.
START = 60.0


class WorkerProcess:
    """A child started with nothing but its pipes and its slot.

    The slot is anonymous shared memory: no name in the file system, so that whatever is killed leaves nothing behind.
    It is read with ``pread`` and never mapped: a worker that shortens it cannot crash its owner.
    The child is a fresh interpreter that runs only ``opsin.intake.worker``; the owner's ``__main__`` is not imported,
    and nothing of the owner's threads and locks is inherited.
    """

    def __init__(self, setup: Setup) -> None:
        self._slot = _anonymous_memory()
        try:
            self._process = self._launch()
        except OSError:
            os.close(self._slot)
            raise
        self._left = PICTURES
        self._started = False
        self._spent = False
        self._setup = setup

    @property
    def spent(self) -> bool:
        """Whether it must be replaced before the next job."""
        return self._spent or self._left <= 0 or self._process.poll() is not None

    def run(self, job: Job, data: bytes, timeout: float) -> Answer | str | None:
        """Do one job: the answer, how the worker ended where it crashed, or None after ``timeout`` seconds."""
        try:
            if not self._started:
                self._start()
            self._left -= 1
            _write(self._slot, data)
            send(self._stdin, job)
            answer = self._receive(timeout)
        except (BrokenPipeError, EOFError, msgspec.DecodeError):
            return self._crashed()
        except TimeoutError:
            self.kill()
            return None
        self._spent = self._spent or answer.last
        return answer

    def pixels(self, height: int, width: int, at: int) -> tuple[NDArray[np.uint8], int]:
        """Copy uint8 (height, width, 3) out of the slot from byte ``at`` on; also return where it ends."""
        array = np.empty((height, width, 3), np.uint8)
        view = memoryview(array.reshape(-1).data)
        done = 0
        while done < len(view):
            count = os.preadv(self._slot, [view[done:]], at + done)
            if not count:
                self._spent = True
                msg = "The decoding process returned fewer pixels than it announced."
                raise OSError(msg)
            done += count
        return array, at + done

    def read(self, size: int) -> bytes:
        """Copy ``size`` bytes out of the slot and empty it."""
        data = os.pread(self._slot, size, 0)
        self.clear()
        return data

    def clear(self) -> None:
        """Give the slot's memory back."""
        os.ftruncate(self._slot, 0)

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._spent = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """End it and free everything."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        os.close(self._slot)

    def _launch(self) -> subprocess.Popen[bytes]:
        # The same search path, and the current folder not on it: a numpy.py lying there must not be imported.
        path = [entry for entry in sys.path if entry]
        code = f"import sys; sys.path[:] = {path!r}; from opsin.intake.worker import main; main({self._slot})"
        executable = os.fsdecode(spawn.get_executable() or sys.executable)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            [executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._slot],
        )
        if process.stdin is None or process.stdout is None:
            msg = "The decoding process has no pipes."
            raise OSError(msg)
        self._stdin, self._stdout = process.stdin, process.stdout
        return process

    def _start(self) -> None:
        send(self._stdin, self._setup)
        self._receive(START)
        self._started = True

    def _receive(self, timeout: float) -> Answer:
        """Wait for an answer; it comes in one piece, so that its first byte is as good as its last."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        deadline = time.monotonic() + timeout
        while not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if time.monotonic() >= deadline:
                raise TimeoutError
        body = receive(self._stdout)
        if body is None:
            raise EOFError
        return msgspec.msgpack.decode(body, type=Answer)

    def _crashed(self) -> str:
        self.kill()
        status = self._process.wait()
        if status >= 0:
            return f"exit status {status}"
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
        return f"signal {-status}"


def _anonymous_memory() -> int:
    """Return the descriptor of a nameless file in memory; where the system has none, of a nameless temporary file."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("opsin-slot", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as stream:
        return os.dup(stream.fileno())


def _write(slot: int, data: bytes) -> None:
    """Write all of ``data`` to the start of the slot."""
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwrite(slot, view[done:], done)
