"""Measures the vector index: `python benchmarks/index_search.py [ROWS ...]` (about 40 s, 1 GB of memory).

`python benchmarks/index_search.py alternatives` measures instead what FAISS offers for storing and sketching 50,000 rows.

The floor of a search is one numpy float32 matrix product over the same rows and an argpartition. Two kinds of made
rows of 512 dimensions: "clusters" (500 directions and noise) with queries near rows, and "gap" (a falling spectrum
and a common direction, as picture encoders give, with queries around another direction, as texts have).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from opsin_index import Index

Rows = NDArray[np.float32]
Ids = NDArray[np.integer[Any]]
DIM = 512
K = 10
QUERIES = 60
SIZES = (1_000, 10_000, 50_000, 100_000)


def main() -> None:
    if sys.argv[1:] == ["alternatives"]:
        alternatives(50_000)
        return
    sizes = [int(argument) for argument in sys.argv[1:]] or list(SIZES)
    print(f"dim {DIM}, k {K}, {QUERIES} queries one at a time, p50 in ms; index: 1 thread, numpy: its own threads")
    print("rows     data      numpy   exact  ratio  search  ratio  recall@10  add one  1% allowed  recall")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            for name, make in (("clusters", clusters), ("gap", gap)):
                print(f"{size:<8d} {name:<8s} " + measure(Path(folder) / f"{name}-{size}", *make(size)), flush=True)


def measure(path: Path, rows: Rows, queries: Rows) -> str:
    with Index.create(path, dim=DIM) as index:
        index.upsert(np.arange(len(rows), dtype=np.uint32), rows)
        stored = rows.astype(np.float16).astype(np.float32)
        floor, expected = timed(lambda q: np.argpartition(-(stored @ q[0]), K)[:K], queries)
        exact, _ = timed(lambda q: index.search(q, K, exact=True).ids[0], queries)
        search, found = timed(lambda q: index.search(q, K).ids[0], queries)
        chosen = np.unique(np.random.default_rng(1).integers(0, len(rows), len(rows) // 100)).astype(np.uint32)
        few = min(K, len(chosen))
        narrow, narrow_found = timed(lambda q: index.search(q, few, chosen).ids[0], queries)
        narrow_expected = [chosen[np.argsort(-(stored[chosen] @ query))[:few]] for query in queries]
        added = [elapsed(index, len(rows) + number, queries[number : number + 1]) for number in range(QUERIES)]
        return (
            f"{floor:7.2f} {exact:7.2f} {exact / floor:6.2f} {search:7.2f} {search / floor:6.2f} "
            f"{recall(found, expected):10.4f} {np.median(added) * 1000:8.3f} {narrow:11.2f} "
            f"{recall(narrow_found, narrow_expected):7.4f}"
        )


def alternatives(size: int) -> None:
    """Print, for FAISS' own indexes: p50 of one query, and how many candidates hold 99 % of the true ten."""
    faiss.omp_set_num_threads(1)
    inner, types = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer
    kinds: dict[str, Callable[[], Any]] = {
        "IndexFlatIP (fp32)": lambda: faiss.IndexFlatIP(DIM),
        "IndexScalarQuantizer fp16": lambda: faiss.IndexScalarQuantizer(DIM, types.QT_fp16, inner),
        "IndexScalarQuantizer 8 bit": lambda: faiss.IndexScalarQuantizer(DIM, types.QT_8bit, inner),
        "IndexRaBitQ": lambda: faiss.IndexRaBitQ(DIM, inner),
        "IndexRaBitQFastScan": lambda: faiss.IndexRaBitQFastScan(DIM, inner),
        "IndexRaBitQFastScan 4 bit": lambda: faiss.IndexRaBitQFastScan(DIM, inner, 32, 4),
        "IndexPQFastScan 4 bit": lambda: faiss.IndexPQFastScan(DIM, DIM, 4, inner),
    }
    print(f"{size} rows of {DIM} dimensions, one query at a time, 1 thread")
    print("data      index                        p50 ms  bytes a row  added in s  candidates for recall@10 0.99")
    for name, make in (("clusters", clusters), ("gap", gap)):
        rows, queries = make(size)
        rotation: Any = faiss.RandomRotationMatrix(DIM, DIM)
        rotation.init(1)
        turned, asked = rotation.apply(rows), rotation.apply(queries)
        expected = np.argpartition(-(queries @ rows.T), K, axis=1)[:, :K]
        for kind, build in kinds.items():
            index: Any = build()
            start = time.perf_counter()
            index.train(turned)
            index.add(turned)
            seconds = time.perf_counter() - start
            milliseconds, _ = timed(partial(candidates_of, index), asked)
            enough = next((n for n in (10, 20, 50, 100, 200, 500, 1000) if reached(index, asked, expected, n)), None)
            print(
                f"{name:<9s} {kind:<28s} {milliseconds:6.2f} {index.sa_code_size():12d} {seconds:11.2f}  "
                f"{enough or 'more than 1000'}",
                flush=True,
            )


def candidates_of(index: Any, query: Rows) -> Ids:
    return np.asarray(index.search(query, 200)[1][0])


def reached(index: Any, queries: Rows, expected: Ids, candidates: int) -> bool:
    return recall(index.search(queries, candidates)[1], expected) >= 0.99


def timed(find: Callable[[Rows], Ids], queries: Rows) -> tuple[float, list[Ids]]:
    """Median milliseconds, and the ids that were found."""
    find(queries[:1])
    times, answers = [], []
    for number in range(len(queries)):
        start = time.perf_counter()
        answers.append(find(queries[number : number + 1]))
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1000, answers


def elapsed(index: Index, name: int, row: Rows) -> float:
    start = time.perf_counter()
    index.upsert(np.array([name], dtype=np.uint32), row)
    return time.perf_counter() - start


def recall(found: Sequence[Ids] | Ids, expected: Sequence[Ids] | Ids) -> float:
    return float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in zip(found, expected, strict=True)]))


def clusters(size: int) -> tuple[Rows, Rows]:
    random = np.random.default_rng(0)
    centres = random.standard_normal((500, DIM), dtype=np.float32)
    rows = unit(0.7 * centres[random.integers(0, 500, size)] + random.standard_normal((size, DIM), dtype=np.float32))
    near = rows[random.integers(0, size, QUERIES)]
    return rows, unit(near + 0.5 * random.standard_normal((QUERIES, DIM), dtype=np.float32) / np.float32(DIM**0.5))


def gap(size: int) -> tuple[Rows, Rows]:
    random = np.random.default_rng(0)
    spectrum = (np.arange(1, DIM + 1) ** -0.5).astype(np.float32)
    turn = np.linalg.qr(random.standard_normal((DIM, DIM)))[0].astype(np.float32)
    pictures, texts = unit(random.standard_normal((2, DIM), dtype=np.float32))
    rows = unit(unit(random.standard_normal((size, DIM), dtype=np.float32) * spectrum @ turn) + pictures)
    return rows, unit(unit(random.standard_normal((QUERIES, DIM), dtype=np.float32) * spectrum @ turn) + 2 * texts)


def unit(rows: NDArray[Any]) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


if __name__ == "__main__":
    main()
