"""Starts `opsin` many times for the price of one: a process that has imported it forks one that runs, each time.

Of the two CPU seconds that a service takes until it is ready, one and a half are its imports.
"""

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
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
print("ready", flush=True)
while line := sys.stdin.readline():
    output, errors, ended, environment, *arguments = json.loads(line)
    if os.fork():
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        print(child, flush=True)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with open(ended + ".new", "w") as file:
            file.write(str(status))
        os.rename(ended + ".new", ended)
        os._exit(0)
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    fresh = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, output, fresh), (2, errors, fresh)):
        os.dup2(os.open(path, how, 0o644), number)
    sys.argv = ["opsin", *arguments]
    main()
    os._exit(0)
"""
_PATIENCE = 60.0


class Forked:
    """A command in a session of its own; what it writes goes to files."""

    def __init__(self, process: int, folder: Path, errors: Path) -> None:
        self.process = process
        self._folder = folder
        self._errors = errors

    @property
    def output(self) -> str:
        return _read(self._folder / "output")

    @property
    def errors(self) -> str:
        return _read(self._errors)

    @property
    def status(self) -> int | None:
        """Its exit status, as subprocess gives it (-9: it was killed); None while it runs."""
        said = _read(self._folder / "ended")
        return int(said) if said else None

    def wait_for_line(self, number: int = 0) -> str:
        """Return a line that it writes, the first where no other is asked for."""
        until = time.monotonic() + _PATIENCE
        while self.output.count("\n") <= number:
            assert self.status is None or self.output.count("\n") > number, self.errors
            assert time.monotonic() < until, self.errors
            time.sleep(0.02)
        return self.output.splitlines()[number]

    def wait_for_lines(self, count: int) -> None:
        """Return when it has written ``count`` lines, or will write no more."""
        until = time.monotonic() + _PATIENCE
        while self.output.count("\n") < count and self.status is None:
            assert time.monotonic() < until, self.errors
            time.sleep(0.002)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its children; it may have ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.process, number)

    def wait(self) -> int:
        """Return its exit status once it has ended."""
        until = time.monotonic() + _PATIENCE
        while self.status is None:
            assert time.monotonic() < until, "it never ended"
            time.sleep(0.01)
        return self.status

    def kill(self) -> None:
        """Send SIGKILL, and return when nothing of its session is left."""
        self.send(signal.SIGKILL)
        until = time.monotonic() + _PATIENCE
        while left := self.left():
            assert time.monotonic() < until, left
            time.sleep(0.02)

    def left(self) -> list[str]:
        """Return the commands of its session that still run."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                if folder.name.isdigit() and os.getsid(int(folder.name)) == self.process:
                    found.append((folder / "cmdline").read_text("utf-8").replace("\0", " "))
        return found


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


class Nursery:
    """What forks the commands."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._count = 0

    def start(self, *arguments: str | Path, errors: Path | None = None) -> Forked:
        """Run `opsin` with these arguments; what it writes to standard error goes to ``errors`` where that is given."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        errors = errors or folder / "errors"
        places = map(str, (folder / "output", errors, folder / "ended"))
        line = json.dumps([*places, dict(os.environ), *map(str, arguments)])
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()), folder, errors)


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
