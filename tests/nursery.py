"""Starts `opsin` many times for the price of one: a process that has imported it forks one that runs, each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Nothing ran yet in what is forked but imports: no thread of Opsin's, no model, no index.
_NURSERY = """\
import json, os, signal, sys
import opsin.web.server, opsin.cli.serving, opsin.testing.plugin
from opsin.cli import main
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while line := sys.stdin.readline():
    output, errors, *arguments = json.loads(line)
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY), (2, errors, os.O_WRONLY)):
        os.dup2(os.open(path, how | os.O_CREAT), number)
    sys.argv = ["opsin", *arguments]
    main()
    os._exit(0)
"""
_PATIENCE = 60.0


class Forked:
    """A command in a session of its own; what it writes goes to files."""

    def __init__(self, process: int, folder: Path) -> None:
        self.process = process
        self._folder = folder

    @property
    def output(self) -> str:
        return (self._folder / "output").read_text("utf-8") if (self._folder / "output").exists() else ""

    def wait_for_line(self) -> str:
        """Return the first line that it writes."""
        until = time.monotonic() + _PATIENCE
        while "\n" not in self.output:
            errors = self._folder / "errors"
            assert time.monotonic() < until, errors.read_text("utf-8") if errors.exists() else "it never began"
            time.sleep(0.02)
        return self.output.splitlines()[0]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its children; it may have ended."""
        with suppress(ProcessLookupError):
            os.kill(self.process, number)

    def kill(self) -> None:
        """Send SIGKILL, and return when nothing of its session is left."""
        self.send(signal.SIGKILL)
        until = time.monotonic() + _PATIENCE
        while left := self._alive():
            assert time.monotonic() < until, left
            time.sleep(0.02)

    def _alive(self) -> list[str]:
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                if folder.name.isdigit() and os.getsid(int(folder.name)) == self.process:
                    found.append((folder / "cmdline").read_text("utf-8").replace("\0", " "))
        return found


class Nursery:
    """What forks the commands."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._count = 0

    def start(self, *arguments: str | Path) -> Forked:
        """Run `opsin` with these arguments."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        line = json.dumps([str(folder / "output"), str(folder / "errors"), *map(str, arguments)])
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()), folder)


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """Yield a nursery; what its commands write goes below ``folder``."""
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process, folder)
