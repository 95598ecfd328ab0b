"""A real `opsin serve` in a process of its own, whose last words are printed where something fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_START = "from opsin.cli import main; main()"
_LOADING = 240.0
"""Seconds that the models may take to load, at most."""
_STOPPING = 60.0
_AS_USUAL = re.compile(r" info [A-Z]+ /\S* [1-4]\d\d in ")
_TAIL = 40
"""Lines of its log that are printed."""


@dataclass(frozen=True)
class Serving:
    """A service: its process, where it answers, an admin key, and the file into which it logs."""

    process: subprocess.Popen[str]
    url: str
    key: str
    log: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def wait_until_ready(self) -> None:
        """Return when the models are loaded."""
        until = time.monotonic() + _LOADING
        while httpx.get(f"{self.url}/v1/health/ready", timeout=_LOADING).status_code != 200:
            if time.monotonic() > until:
                sys.exit(f"the models were not loaded within {_LOADING:.0f} s")
            time.sleep(0.2)

    def stop(self) -> int:
        """Stop it as a system does (SIGTERM), and return its exit status."""
        self.process.terminate()
        return self.process.wait(_STOPPING)

    def print_tail(self) -> None:
        """Print the last lines of what it logged, requests that it answered as usual left out."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        lines = [line for line in lines if not _AS_USUAL.search(line)]
        print(f"the last {min(len(lines), _TAIL)} of {len(lines)} lines that the service logged beside its answers:")
        print("\n".join(f"  {line[:500]}" for line in lines[-_TAIL:]))


@contextmanager
def serving(root: Path, *more: Path) -> Iterator[Serving]:
    """Serve the library at ``root``, whose key is given, and ``more`` beside it, and stop in the end.

    The log is ``service.log`` beside the library.
    """
    log = root.with_name("service.log")
    command = [sys.executable, "-c", _START, "serve", "--json", "--port", "0", *map(str, (root, *more))]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        if process.stdout is None or not (line := process.stdout.readline()):
            process.wait(_STOPPING)
            sys.exit(f"the service did not start: {log.read_text('utf-8')}")
        key = (root / "admin.key").read_text("utf-8").strip()
        service = Serving(process, json.loads(line)["url"], key, log)
        try:
            service.wait_until_ready()
            yield service
        except BaseException as error:
            print(f"ended by {error!r}", flush=True)
            service.print_tail()
            raise
        finally:
            if process.poll() is None:
                service.stop()
