"""The command line: parses, calls the facade, shows what comes back. No rules live here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_INTERRUPTED = 130


def main() -> None:
    """Run `opsin` and end the process with its exit status."""
    try:
        _let_sigterm_end_a_container()
        with _ended_by_the_second_interrupt():
            # Loaded here and not above: Ctrl-C in these first moments ends as it does later.
            from opsin.cli.main import run

            status = run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; what was done before is kept.\n")
        status = _INTERRUPTED
    sys.exit(status)


def _let_sigterm_end_a_container() -> None:
    """Take SIGTERM for Ctrl-C where this is process 1: there it does nothing by itself, and `podman stop` waits in vain."""
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def _ended_by_the_second_interrupt() -> Iterator[None]:
    """Let Ctrl-C end a command in good order, and Ctrl-C once more end it at once: all that was acknowledged is durable."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return

    def again(_number: int, _frame: object) -> None:
        os.write(2, b"Interrupted again, and ended at once; what was done before is kept.\n")
        os._exit(_INTERRUPTED)

    def first(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, again)
        signal.default_int_handler(number, frame)  # type: ignore[arg-type] # a frame, as Python gives it

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


__all__ = ["main"]
