"""How many photos of 640x480 Opsin adds per second, with the starter and every built-in categorizer; and its memory.

python -m benchmarks.adding            # 1,000 photos, and the ratios to the target of 80 images/s and to the floor
python -m benchmarks.adding --memory   # 10,000 photos: the PSS of the whole process tree, every 1,000

The floor is the starter's image network alone, on all cores, over batches of 16 that are decoded already.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.inputs import photos
from benchmarks.processes import pss_mb
from benchmarks.zero_shot import load_starter
from PIL import Image

import opsin
from opsin import Frame
from opsin_starter.encoder import VIEW

TARGET = 80.0
BATCH = 16
LIMIT_GB = 2.5


def network_alone(paths: Sequence[Path]) -> float:
    """Return images per second of the starter's network, with nothing before, beside or behind it."""
    encoder = load_starter()
    frames = [Frame(np.asarray(Image.open(path))) for path in paths]
    frames = [Frame(frame.pixels, views={VIEW: frame.view(VIEW)}) for frame in frames]
    encoder.look(frames[:BATCH])
    begun = time.perf_counter()
    for start in range(0, len(frames), BATCH):
        encoder.look(frames[start : start + BATCH])
    return len(frames) / (time.perf_counter() - begun)


def speed() -> None:
    """Print images per second over 1,000 photos, once everything is loaded."""
    paths = photos(1000)
    with tempfile.TemporaryDirectory() as folder, opsin.init(Path(folder) / "library", encoder="starter") as library:
        library.add(*paths[:32])
        begun = time.perf_counter()
        done = sum(added.status in {"added", "known"} for added in library.add_each(*paths[32:]))
        rate = done / (time.perf_counter() - begun)
    floor = network_alone(paths[:160])
    print(
        f"{done} photos added at {rate:.1f} images/s, {rate / TARGET:.2f} x the target of {TARGET:.0f}; "
        f"the network alone does {floor:.1f}, ratio {rate / floor:.2f}"
    )


def memory() -> None:
    """Print the memory of the process tree while 10,000 photos are added."""
    paths = photos(1000)
    with tempfile.TemporaryDirectory() as folder:
        many = Path(folder) / "photos"
        many.mkdir()
        for round_ in range(10):
            for path in paths:
                # The same picture with other bytes behind its end is another content.
                target = many / f"{round_}-{path.name}"
                shutil.copy(path, target)
                with target.open("ab") as file:
                    file.write(round_.to_bytes(4, "big"))
        highest = 0.0
        with opsin.init(Path(folder) / "library", encoder="starter") as library:
            for number, _ in enumerate(library.add_each(many), 1):
                if number % 1000 == 0:
                    highest = max(highest, now := pss_mb(os.getpid()) / 1000)
                    print(f"{number:6} photos: {now:.2f} GB", flush=True)
    print(f"highest PSS {highest:.2f} GB, {highest / LIMIT_GB:.2f} x the limit of {LIMIT_GB} GB")


def main() -> None:
    """Choose what to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    memory() if parser.parse_args().memory else speed()


if __name__ == "__main__":
    main()
