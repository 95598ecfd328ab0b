"""Runs `opsin` as a process of its own that can be killed at a chosen moment, and sees whether it left children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

OPSIN = (sys.executable, "-c", "from opsin.cli import main; main()")
"""The command `opsin` of this environment."""


class Running:
    """A process in a session of its own. ``output`` grows while it writes; ``before`` goes before the command."""

    def __init__(self, *arguments: str | Path, before: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*before, *OPSIN, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.output = b""
        self.errors = b""
        self._changed = threading.Condition()
        self._ended = False
        self._readers = [
            threading.Thread(target=self._read_output, args=(self.process.stdout,)),
            threading.Thread(target=self._read_errors, args=(self.process.stderr,)),
        ]
        for reader in self._readers:
            reader.start()

    def _read_output(self, stream: IO[bytes]) -> None:
        while piece := os.read(stream.fileno(), 65536):
            with self._changed:
                self.output += piece
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_errors(self, stream: IO[bytes]) -> None:
        self.errors = stream.read()

    def wait_for_lines(self, count: int) -> None:
        """Return when it has written ``count`` lines, or will write no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self.output.count(b"\n") >= count, timeout=120)

    def kill(self) -> int:
        """Send SIGKILL to the process alone, not to its children, and return its exit status."""
        self.process.send_signal(signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end, and return its exit status (-9: it was killed)."""
        status = self.process.wait(timeout=240)
        for reader in self._readers:
            reader.join(timeout=30)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status

    def left_behind(self, seconds: float = 30) -> list[str]:
        """Return the commands of its session that still run after ``seconds``; empty as soon as none does."""
        until = time.monotonic() + seconds
        while (left := self._alive()) and time.monotonic() < until:
            time.sleep(0.02)
        return left

    def _alive(self) -> list[str]:
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                state, _, _, session = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[:4]
                if session == str(self.process.pid) and state != "Z":
                    found.append((folder / "cmdline").read_text("utf-8").replace("\0", " "))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found


def opsin_command(*arguments: str | Path) -> Running:
    """Run `opsin` to its end."""
    running = Running(*arguments)
    running.wait()
    return running
