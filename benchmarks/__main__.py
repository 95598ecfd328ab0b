"""`make bench`: runs every benchmark in turn; each prints its own figures and ratios."""

from __future__ import annotations

import subprocess
import sys

ALL = ("index_search", "decode", "encode_throughput", "adding", "latency", "zero_shot", "refusal")


def main() -> None:
    """Run all, or those that are named on the command line."""
    failed = []
    for name in sys.argv[1:] or ALL:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
