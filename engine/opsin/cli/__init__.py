"""The command line: parses, calls the facade, shows what comes back. No rules live here."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `opsin` and end the process with its exit status."""
    try:
        # Loaded here and not above: Ctrl-C in these first moments ends as it does later.
        from opsin.cli.main import run

        status = run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; what was done before is kept.\n")
        status = 130
    sys.exit(status)


__all__ = ["main"]
