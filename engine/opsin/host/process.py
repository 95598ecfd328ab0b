"""A child process with its pipes. It is gone when it has ended, and so is what it forked, whoever still holds a pipe."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_PIPE = 1024 * 1024
"""Bytes, where the system can: a picture goes through in one piece instead of fifteen."""
_LAST_WORDS = 5.0
"""Seconds in which the rest of its standard error is read after its end."""


class Process:
    """One child process, the leader of a group in which everything is that it forks.

    ``input`` and ``output`` are its pipes: once it has ended, what it wrote can still be read, then comes the end, and
    writing raises ``BrokenPipeError``. A forked process that inherited the other ends keeps nobody waiting. ``hear`` is told
    each line that it writes to its standard error, in a thread called ``name``.
    """

    def __init__(self, command: Sequence[str], *, name: str, hear: Callable[[str], None]) -> None:
        self._lock = threading.Lock()
        self._reaped = False
        self._popen = subprocess.Popen(  # noqa: S603 - whoever starts it says what
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pipesize=_PIPE,
            bufsize=0,
            process_group=0,
        )
        # Nobody writes to it: it is closed when the process has ended, which all see who wait for that or a pipe.
        self._gone, gone = os.pipe()
        self._ended = threading.Thread(target=self._await_end, args=(gone,), name=f"opsin-end-{name}", daemon=True)
        self._ended.start()
        self.input = io.BufferedWriter(_Inward(_descriptor(self._popen.stdin), self._gone))
        self.output = io.BufferedReader(_Outward(_descriptor(self._popen.stdout), self._gone))
        words = io.BufferedReader(_Outward(_descriptor(self._popen.stderr), self._gone))
        self._listener = threading.Thread(target=_listen, args=(words, hear), name=f"opsin-words-{name}", daemon=True)
        self._listener.start()

    @property
    def how(self) -> str:
        """How it ended, once ``end`` was called: "exit status 1" or "signal SIGKILL"."""
        code = self._popen.returncode
        names = {each.value: each.name for each in signal.Signals}
        return f"signal {names.get(-code, -code)}" if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        """End it and all that it forked, from any thread."""
        with self._lock:
            if not self._reaped:  # its number may be another's afterwards
                self._kill_group()

    def end(self, grace: float) -> None:
        """Let it end by closing its input, kill it where that takes longer than ``grace`` seconds, give the pipes back."""
        with contextlib.suppress(OSError):  # what was still to be written is lost with it
            self.input.close()
        self._ended.join(grace)
        self.kill()
        self._ended.join()
        self._listener.join(_LAST_WORDS)
        for stream in (self.input, self.output):
            with contextlib.suppress(OSError):
                stream.close()
        if not self._listener.is_alive():  # else something that left the group goes on writing
            os.close(self._gone)

    def _await_end(self, gone: int) -> None:
        try:
            if hasattr(os, "waitid"):  # its number stays its own as long as nobody has taken note of its end
                os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT)
            else:
                self._popen.wait()
            with self._lock:
                self._kill_group()
                self._popen.wait()
                self._reaped = True
        finally:
            os.close(gone)

    def _kill_group(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._popen.pid, signal.SIGKILL)


class _Pipe(io.RawIOBase):
    """One end of a pipe to a process; ``gone`` can be read from as soon as that has ended."""

    def __init__(self, descriptor: int, gone: int, event: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, event)
        self._poll.register(gone, select.POLLIN)

    def wait(self) -> bool:
        """Wait until the pipe can be used, and return True; False where the process has ended and it cannot."""
        return any(descriptor == self._descriptor for descriptor, _ in self._poll.poll())

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class _Outward(_Pipe):
    def __init__(self, descriptor: int, gone: int) -> None:
        super().__init__(descriptor, gone, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return os.readv(self._descriptor, [buffer]) if self.wait() else 0


class _Inward(_Pipe):
    def __init__(self, descriptor: int, gone: int) -> None:
        super().__init__(descriptor, gone, select.POLLOUT)
        os.set_blocking(descriptor, False)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        while self.wait():
            with contextlib.suppress(BlockingIOError):
                return os.write(self._descriptor, data)
        raise BrokenPipeError("the process has ended")


def _descriptor(stream: object) -> int:
    """Take the descriptor of a pipe over from the stream that ``subprocess`` made of it."""
    if not isinstance(stream, io.FileIO):
        raise TypeError("a pipe without a buffer is needed")
    descriptor = os.dup(stream.fileno())
    stream.close()
    return descriptor


def _listen(words: io.BufferedReader, hear: Callable[[str], None]) -> None:
    with words:
        for line in words:
            if text := line.decode("utf-8", "replace").rstrip():
                hear(text)
