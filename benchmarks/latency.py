"""How long one photo takes to be searchable, and one text search over 50,000 assets, in a warm process.

    python -m benchmarks.latency

Targets: add 60 ms, search 25 ms, a page of 20 hits as JSON 2 ms (medians). The floor of a search is the bare text encoding
plus a bare index search.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.inputs import photos

import opsin
from opsin.catalogue import assets, contents
from opsin.catalogue.assets import NewAsset
from opsin.catalogue.contents import NewContent

ASSETS = 50_000
GROUP = 1000
WORDS = ("a dog", "a red car", "coffee", "a bridge at night", "people on a beach", "guitar", "a plate of food", "snow")


def median_ms(times: list[float]) -> float:
    """Return the median of seconds in milliseconds."""
    return statistics.median(times) * 1000


def fill(library: opsin.Library, count: int) -> None:
    """Put ``count`` made assets straight into the catalogue: vectors between two photos' ones, and photos' reports."""
    random = np.random.default_rng(0)
    with library._workspace.catalogue.read() as connection:
        (_, real), *_ = contents.vectors_after(connection, 0)
        reports = list(contents.reports_of(connection, set(range(1, 11))).values())
    with library._workspace.catalogue.write() as connection:
        for start in range(0, count, GROUP):
            numbers = range(start, min(start + GROUP, count))
            pairs = random.integers(len(real), size=(len(numbers), 2))
            share = random.random((len(numbers), 1), np.float32)
            vectors = real[pairs[:, 0]] * share + real[pairs[:, 1]] * (1 - share)
            vectors += random.standard_normal(vectors.shape, np.float32) * 0.5 / vectors.shape[1] ** 0.5
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            ids = contents.add(connection, [made(number) for number in numbers])
            frames = [(content_id, 0, vector) for content_id, vector in zip(ids, vectors, strict=True)]
            contents.put_embeddings(connection, frames, "made")
            contents.put_reports(connection, {content_id: reports[content_id % len(reports)] for content_id in ids})
            names = [NewAsset(name=f"{n}.jpg", location=f"/made/{n}.jpg", copied=False) for n in numbers]
            assets.add(connection, list(zip(ids, names, strict=True)))


def made(number: int) -> NewContent:
    """Return a content that never had bytes."""
    digest = number.to_bytes(32, "big")
    return NewContent(
        sha256=digest, bytes=1, format="jpeg", width=640, height=480, frames=1, transparent=False, taken_at=None
    )


def main() -> None:
    """Print the medians and their ratios to target and floor."""
    paths = photos(60)
    with tempfile.TemporaryDirectory() as folder, opsin.init(Path(folder) / "library", encoder="starter") as library:
        library.add(*paths[:10])
        adding = []
        for path in paths[10:]:
            begun = time.perf_counter()
            (added,) = library.add(path)
            adding.append(time.perf_counter() - begun)
            if added.status not in {"added", "known"}:
                msg = f"{path}: {added.problem}"
                raise SystemExit(msg)
        print(
            f"one photo to searchable: median {median_ms(adding):.1f} ms, {60 / median_ms(adding):.2f} x faster than the target of 60 ms"
        )
        fill(library, ASSETS)
        library.index.rebuild()
        library.search("warm")
        encoder, index = library._workspace.host.encoder, library._workspace.index
        searching, floor, encoding = [], [], []
        for number in range(80):
            words = f"{WORDS[number % len(WORDS)]} {number}"
            begun = time.perf_counter()
            page = library.search(words, everything=True)
            searching.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            msgspec.json.encode(page)
            encoding.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            index.search(encoder.encode_texts([words + " again"]), 53)
            floor.append(time.perf_counter() - begun)
        print(
            f"text search over {ASSETS + 60:,}: median {median_ms(searching):.1f} ms, "
            f"{25 / median_ms(searching):.2f} x faster than the target of 25 ms; "
            f"floor (text encoding + index) {median_ms(floor):.1f} ms, ratio {median_ms(searching) / median_ms(floor):.2f}"
        )
        told = median_ms(encoding)
        print(f"JSON of a page of 20 hits: median {told:.2f} ms, {2 / told:.1f} x faster than the target of 2 ms")


if __name__ == "__main__":
    main()
