"""Measures how fast pictures are decoded, beside plain Pillow in a process pool.

    python benchmarks/decode.py [FOLDER] [--small 1000] [--large 24] [--workers 0]

The pictures are cut from the photos in FOLDER (default: those that ship inside scikit-image and scikit-learn, the
``demo`` extra): JPEGs of 640 x 480, and of 12 megapixels with some noise so that they are as large as a camera's.
Both sides bring each picture to one view (shorter side 297, bicubic, centre 260). Plain Pillow decodes fully and
returns the view alone; Opsin also returns the picture at reduced scale.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from opsin import View
from opsin.cores import available_cores
from opsin.intake.decode import Decoder
from opsin.settings import DecodeSettings

VIEW = View(297, 260)
AHEAD = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=24)
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args()
    workers = given.workers or available_cores()
    photos = load_photos(given.folder)
    print(f"{len(photos)} photos, {workers} workers")
    for name, count, size in (("640 x 480", given.small, (640, 480)), ("12 megapixels", given.large, (4000, 3000))):
        files = make_files(photos, count, size)
        kilobytes = sum(map(len, files)) / len(files) / 1000
        ours = best(with_opsin, files, workers)
        plain = best(with_pillow, files, workers)
        print(
            f"{name} ({count} files of {kilobytes:,.0f} kB): Opsin {count / ours.wall:,.1f}/s, "
            f"plain Pillow {count / plain.wall:,.1f}/s, ratio {plain.wall / ours.wall:.2f}; "
            f"CPU time {1000 * ours.cpu / count:.1f} ms each, plain {1000 * plain.cpu / count:.1f} ms, "
            f"ratio {plain.cpu / ours.cpu:.2f}"
        )


class Cost(NamedTuple):
    """Seconds for all files: on the clock, and of all processes together with their start."""

    wall: float
    cpu: float


def best(run: Callable[[Sequence[bytes], int], float], files: Sequence[bytes], workers: int) -> Cost:
    """Return the least of three runs."""
    costs = []
    for _ in range(3):
        before = cpu_seconds()
        wall = run(files, workers)
        costs.append(Cost(wall, cpu_seconds() - before))
    return Cost(min(cost.wall for cost in costs), min(cost.cpu for cost in costs))


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def with_opsin(files: Sequence[bytes], workers: int) -> float:
    settings = DecodeSettings(workers=workers)
    with Decoder(settings, min_side=VIEW.min_side, views=[VIEW]) as decoder:
        for future in [decoder.submit(files[0]) for _ in range(workers * 2)]:
            future.result()
        start = time.perf_counter()
        # As a library does: some pictures ahead, each forgotten once it was seen.
        waiting = deque(decoder.submit(data) for data in files[:AHEAD])
        for data in files[AHEAD:]:
            waiting.popleft().result()
            waiting.append(decoder.submit(data))
        while waiting:
            waiting.popleft().result()
        return time.perf_counter() - start


def with_pillow(files: Sequence[bytes], workers: int) -> float:
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in pool.map(full_decode, [files[0]] * workers * 2):
            pass
        start = time.perf_counter()
        for _ in pool.map(full_decode, files, chunksize=1):
            pass
        return time.perf_counter() - start


def full_decode(data: bytes) -> bytes:
    """Do what torchvision's Resize and CenterCrop do, on the whole picture."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    short = VIEW.resize
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((image.width - VIEW.crop) / 2), round((image.height - VIEW.crop) / 2)
    return image.crop((left, top, left + VIEW.crop, top + VIEW.crop)).tobytes()


def load_photos(folder: Path | None) -> list[Image.Image]:
    if folder is None:
        import skimage
        import sklearn

        names = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"]
        paths = [Path(skimage.__file__).parent / "data" / name for name in names]
        paths += sorted((Path(sklearn.__file__).parent / "datasets" / "images").glob("*.jpg"))
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:100]
    return [Image.open(path).convert("RGB") for path in paths]


def make_files(photos: Sequence[Image.Image], count: int, size: tuple[int, int]) -> list[bytes]:
    """Return ``count`` JPEGs of ``size``, each another cut of a photo."""
    random = np.random.default_rng(0)
    files = []
    for number in range(count):
        photo = photos[number % len(photos)]
        left, top = random.uniform(0, 0.2, 2) * photo.size
        image = photo.resize(size, Image.Resampling.BICUBIC, box=(left, top, photo.width, photo.height))
        if size[0] > 1000:
            noise = random.normal(0, 4, (size[1], size[0], 1)).astype(np.float32)
            image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=92)
        files.append(stream.getvalue())
    return files


if __name__ == "__main__":
    main()
