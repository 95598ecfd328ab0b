"""`make bench`: runs every benchmark in turn; each prints its own figures and ratios."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

QUICK = (
    "index_search.py",
    "decode.py",
    "encode_throughput.py",
    "adding.py",
    "latency.py",
    "zero_shot.py",
    "refusal.py",
)


def main() -> None:
    """Run all, or those that are named on the command line."""
    failed = []
    for name in sys.argv[1:] or QUICK:
        script = Path(__file__).with_name(name)
        print(f"\n== {script.name}", flush=True)
        if subprocess.run([sys.executable, script], check=False).returncode:
            failed.append(script.name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
