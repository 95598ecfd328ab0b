"""What a library takes: bytes on disk of an asset, and memory of a service with one library, with two, and with a large one.

    python -m benchmarks.sizing [--photos 600] [--assets 50000]

Photos of 640x480 are uploaded with the starter and every built-in plugin; what an asset takes is the difference between
half of them and all. The large library has made assets, with photos' vectors and reports.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from benchmarks.latency import fill
from benchmarks.processes import pss_mb
from benchmarks.serving import Serving, serving
from benchmarks.uploads import Photos

import opsin

PREVIEWS = (320, 640)
PREVIEWED = 100
SETTLED = 16
"""Photos after which memory is looked at, and further ones are as the ones before."""


def size(place: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    files = [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def disk(library: opsin.Library) -> dict[str, int]:
    """Return the bytes on disk of each part of a library whose index and catalogue are written."""
    workspace, layout = library._workspace, library._workspace.layout
    workspace.indexed.snapshot()
    workspace.catalogue.forget_journal()
    return {"catalogue": size(layout.catalogue), "index": size(layout.index), "pictures": size(layout.blobs)}


def print_disk(library: opsin.Library, photos: Photos, count: int) -> None:
    """Add photos, and print what an asset takes on disk."""
    half = count // 2
    library.add(*(photos.marked(number) for number in range(half)))
    before = disk(library)
    library.add(*(photos.marked(number) for number in range(half, count)))
    after = disk(library)
    told = ", ".join(f"{part} {(after[part] - before[part]) / (count - half):,.0f}" for part in after)
    print(f"on disk, bytes of each of {count} photos: {told}", flush=True)
    some = [asset.id for asset in library.list(limit=PREVIEWED)]
    previews, sizes = library._workspace.layout.previews, []
    for width in PREVIEWS:
        known = size(previews)
        for asset in some:
            library.preview(asset, width=width)
        sizes.append(f"{(size(previews) - known) / len(some):,.0f} at a width of {width}")
    print(f"on disk, bytes of a preview as WebP: {', '.join(sizes)}", flush=True)


def settled(service: Serving, photos: Iterator[bytes]) -> float:
    """Return the memory of a service, in MB, after some photos and searches."""
    with httpx.Client(base_url=service.url, headers=service.headers, timeout=120) as client:
        for number in range(SETTLED):
            added = client.post("/v1/assets", content=next(photos), headers={"Content-Type": "image/jpeg"})
            added.raise_for_status()
            client.get("/v1/search", params={"q": f"a dog {number}", "everything": True}).raise_for_status()
    return pss_mb(service.process.pid)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description="Disk and memory of libraries.")
    parser.add_argument("--photos", type=int, default=600, help="that are uploaded to see what an asset takes")
    parser.add_argument("--assets", type=int, default=50_000, help="of the large library")
    given = parser.parse_args()
    photos = Photos()
    fresh = (photos.marked(number) for number in range(given.photos, given.photos + 10_000))
    with tempfile.TemporaryDirectory() as folder:
        small, other, large = (Path(folder) / name for name in ("small", "other", "large"))
        with opsin.init(small, encoder="starter") as library:
            print_disk(library, photos, given.photos)
        opsin.init(other, encoder="starter").close()
        with serving(small) as service:
            one = settled(service, fresh)
        with serving(small, other) as service:
            settled(service, fresh)
            key = (other / "admin.key").read_text("utf-8").strip()
            two = settled(Serving(service.process, service.url, key, service.log), fresh)
        print(f"memory of a service (PSS): {one:.0f} MB with one library, {two:.0f} with two, {two - one:.0f} more")
        with opsin.init(large, encoder="starter") as library:
            library.add(*(next(fresh) for _ in range(SETTLED)))
            fill(library, given.assets)
            library.index.rebuild()
            parts = disk(library)
        with serving(large) as service:
            full = settled(service, fresh)
        told = ", ".join(f"{part} {parts[part] / given.assets:,.0f}" for part in ("catalogue", "index"))
        print(f"on disk, bytes of each of {given.assets:,} assets: {told}")
        print(
            f"memory of a service with {given.assets:,} assets: {full:.0f} MB, {full - one:.0f} more than with {given.photos:,}, "
            f"{(full - one) * 1e6 / (given.assets - given.photos):,.0f} bytes of each"
        )


if __name__ == "__main__":
    main()
