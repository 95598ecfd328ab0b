"""`make bench`: runs every benchmark in turn; each prints its own figures and ratios.

python -m benchmarks [--photos FOLDER] [NAME ...]     # make bench PHOTOS=FOLDER
"""

from __future__ import annotations

import argparse
import subprocess
import sys

ALONE = ("index_search", "decode", "encode_throughput", "adding", "latency", "saved_searches", "load", "sizing")
ON_PHOTOS = ("zero_shot", "refusal")


def main() -> None:
    """Run all, or those that are named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Runs every benchmark, or those named.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*ALONE, *ON_PHOTOS)))
    parser.add_argument(
        "--photos", help=f"a folder with one folder of photos for each label: {' and '.join(ON_PHOTOS)} need it"
    )
    given = parser.parse_args()
    failed = []
    for name in given.names or (*ALONE, *ON_PHOTOS):
        print(f"\n== {name}", flush=True)
        if name in ON_PHOTOS and not given.photos:
            print("left out: it needs --photos FOLDER, as in `make bench PHOTOS=FOLDER`")
            continue
        arguments = ["--photos", given.photos] if name in ON_PHOTOS else []
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
