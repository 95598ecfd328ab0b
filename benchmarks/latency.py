"""How long one photo takes to be searchable, and one text search over 50,000 assets, in a warm process.

    python -m benchmarks.latency

Targets: add 60 ms, search 25 ms (medians). The floor of a search is the bare text encoding plus a bare index search.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarks.inputs import photos

import opsin
from opsin.catalogue import assets, contents
from opsin.catalogue.assets import NewAsset
from opsin.catalogue.contents import NewContent

ASSETS = 50_000
WORDS = ("a dog", "a red car", "coffee", "a bridge at night", "people on a beach", "guitar", "a plate of food", "snow")


def median_ms(times: list[float]) -> float:
    """Return the median of seconds in milliseconds."""
    return statistics.median(times) * 1000


def fill(library: opsin.Library, count: int) -> None:
    """Put ``count`` assets with random vectors and the real ones' reports straight into the catalogue."""
    with library.workspace.catalogue.read() as connection:
        real = list(contents.reports_of(connection, set(range(1, 11))).values())
    dim = library.workspace.host.encoder.dim
    random = np.random.default_rng(0)
    with library.workspace.catalogue.write() as connection:
        for number in range(count):
            vector = random.standard_normal(dim).astype(np.float32)
            vector /= np.linalg.norm(vector)
            digest = number.to_bytes(32, "big")
            made = NewContent(
                sha256=digest, bytes=1, format="jpeg", width=640, height=480, frames=1, transparent=False, taken_at=None
            )
            (content_id,) = contents.add(connection, [made])
            contents.put_embeddings(connection, [(content_id, 0, vector)], "made")
            contents.put_reports(connection, {content_id: real[number % len(real)]})
            new = NewAsset(name=f"{number}.jpg", location=f"/made/{number}.jpg", copied=False)
            assets.add(connection, [(content_id, new)])


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
        library.rebuild_index()
        library.search("warm")
        encoder, index = library.workspace.host.encoder, library.workspace.index
        searching, floor = [], []
        for number in range(80):
            words = f"{WORDS[number % len(WORDS)]} {number}"
            begun = time.perf_counter()
            library.search(words, everything=True)
            searching.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            index.search(encoder.encode_texts([words + " again"]), 53)
            floor.append(time.perf_counter() - begun)
        print(
            f"text search over {ASSETS + 60:,}: median {median_ms(searching):.1f} ms, "
            f"{25 / median_ms(searching):.2f} x faster than the target of 25 ms; "
            f"floor (text encoding + index) {median_ms(floor):.1f} ms, ratio {median_ms(searching) / median_ms(floor):.2f}"
        )


if __name__ == "__main__":
    main()
