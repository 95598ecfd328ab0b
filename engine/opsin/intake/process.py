"""One worker process as its owner sees it: start it, hand jobs over, wait no longer than allowed, kill it."""

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

from opsin.intake.formats import Format
from opsin.intake.wire import Answer, Job, PreviewForm, Setup, send, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A worker is replaced after so many pictures: what a library leaks goes with it.
PICTURES = 2000
# Pictures in one worker's hands: one being decoded, one waiting, so that it never waits for its owner.
SLOTS = 2
# A slot keeps so many bytes between pictures.
KEPT = 4 * 1024 * 1024
# How long a worker may take to start, in seconds: generous, because a loaded machine is slow but not broken.
START = 60.0


class WorkerProcess:
    """A child started with nothing but its pipes and its slots.

    A slot is anonymous shared memory: no name in the file system, so that whatever is killed leaves nothing behind.
    It is read with ``pread`` and never mapped: a worker that shortens it cannot crash its owner.
    The child is a fresh interpreter that runs only ``opsin.intake.worker``; the owner's ``__main__`` is not imported,
    and nothing of the owner's threads and locks is inherited.
    """

    def __init__(self, setup: Setup) -> None:
        self._slots: list[int] = []
        try:
            self._slots.extend(_anonymous_memory() for _ in range(SLOTS))
            self._process = self._launch()
        except OSError:
            self._free()
            raise
        self._left = PICTURES
        self._given = self._taken = 0
        self._spent = False
        self._ready = False
        self._arrived = bytearray()
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        with contextlib.suppress(BrokenPipeError):
            send(self._stdin, setup)

    @property
    def spent(self) -> bool:
        """Whether it must get no further job."""
        return self._spent or self._left <= 0 or self._process.poll() is not None

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return self._given - self._taken >= SLOTS

    def give(self, data: bytes, kind: Format, preview: int, form: PreviewForm) -> None:
        """Hand a job over; jobs are done in this order. What goes wrong is told by ``take``.

        :raises OSError: where there is no room for the picture; then the worker is as it was.
        """
        slot = self._given % SLOTS
        _write(self._slots[slot], data)
        # Only now: where the slot has no room for it, the job is not given.
        self._given += 1
        self._left -= 1
        with contextlib.suppress(BrokenPipeError):
            send(self._stdin, Job(slot, len(data), kind.name, preview, form))

    def take(self, timeout: float) -> Answer | str | None:
        """Wait for the oldest job: its answer, how the worker ended where it crashed, or None after ``timeout`` s."""
        try:
            if not self._ready:
                self._receive(START)
                self._ready = True
            answer = self._receive(timeout)
        except (BrokenPipeError, EOFError, msgspec.DecodeError):
            return self._crashed()
        except TimeoutError:
            self.kill()
            return None
        self._spent = self._spent or answer.last
        return answer

    def pixels(self, height: int, width: int, at: int) -> tuple[NDArray[np.uint8], int]:
        """Copy uint8 (height, width, 3) of the oldest job from byte ``at`` on; also return where it ends."""
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
        """Copy the first ``size`` bytes of the oldest job."""
        return os.pread(self._slot, size, 0)

    def done(self) -> None:
        """Free the slot of the oldest job, but for what most pictures need: to take it anew each time costs 0.4 ms."""
        if os.fstat(self._slot).st_size > KEPT:
            os.ftruncate(self._slot, KEPT)
        self._taken += 1

    @property
    def _slot(self) -> int:
        return self._slots[self._taken % SLOTS]

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
        self._free()

    def _free(self) -> None:
        while self._slots:
            os.close(self._slots.pop())

    def _launch(self) -> subprocess.Popen[bytes]:
        # The same search path, and the current folder not on it: a numpy.py lying there must not be imported.
        path = [entry for entry in sys.path if entry]
        code = f"import sys; sys.path[:] = {path!r}; from opsin.intake.worker import main; main(*{self._slots})"
        executable = os.fsdecode(spawn.get_executable() or sys.executable)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            [executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=self._slots,
            # Ctrl-C in a terminal is for the owner, which then closes its workers.
            process_group=0,
        )
        if process.stdin is None or process.stdout is None:
            msg = "The decoding process has no pipes."
            raise OSError(msg)
        self._stdin, self._stdout = process.stdin, process.stdout
        return process

    def _receive(self, timeout: float) -> Answer:
        """Wait for a message. Two may arrive at once, so that reading ahead must not hide one from the waiting."""
        deadline = time.monotonic() + timeout
        while (body := unpack(self._arrived)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if self._poll.poll(left * 1000):
                piece = os.read(self._stdout.fileno(), 65536)
                if not piece:
                    raise EOFError
                self._arrived += piece
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
