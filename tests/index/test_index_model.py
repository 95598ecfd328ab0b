"""Any sequence of calls leaves the index as a dict of numpy rows would be left."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from opsin_index import Index

Rows = NDArray[np.float32]
Ids = NDArray[np.uint32]

SEEDS = st.integers(0, 2**31)
#: First id, distance between ids, number of ids: single rows, and runs that fill and overlap segments.
FEW = st.tuples(st.integers(0, 300), st.sampled_from([1, 3]), st.integers(0, 40))
MANY = st.tuples(st.integers(0, 20_000), st.sampled_from([1, 2, 100_000]), st.sampled_from([5_000, 12_000, 20_000]))


def made_rows(count: int, dim: int, seed: int) -> Rows:
    """Rows in clusters, so that sketches can tell some of them apart."""
    centres = np.random.default_rng(dim).standard_normal((30, dim))
    random = np.random.default_rng(seed)
    rows = centres[random.integers(0, 30, count)] + 0.7 * random.standard_normal((count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def made_ids(span: tuple[int, int, int], seed: int) -> Ids:
    first, step, count = span
    ids = (first + step * np.arange(count)).astype(np.uint32)
    if seed % 3 == 0:  # a third of the calls come in no order
        np.random.default_rng(seed).shuffle(ids)
    return ids


class AgainstModel(RuleBasedStateMachine):
    """The same calls go to an index and to a dict; `dim` is too small for sketches, so answers must be equal."""

    dim = 6
    least_recall = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "vectors.index"
        self.index = Index.create(self.path, dim=self.dim)
        self.rows: dict[int, Rows] = {}
        self.saved: dict[int, Rows] = {}
        self.mark = 0

    @initialize(span=st.one_of(FEW, MANY), seed=SEEDS)
    def begin(self, span: tuple[int, int, int], seed: int) -> None:
        self.upsert(span, seed)

    @rule(span=st.one_of(FEW, FEW, MANY), seed=SEEDS)
    def upsert(self, span: tuple[int, int, int], seed: int) -> None:
        ids = made_ids(span, seed)
        rows = made_rows(len(ids), self.dim, seed)
        self.index.upsert(ids, rows)
        stored = rows.astype(np.float16).astype(np.float32)
        self.rows.update(zip(ids.tolist(), stored, strict=True))

    @rule(span=st.one_of(FEW, MANY), seed=SEEDS)
    def remove(self, span: tuple[int, int, int], seed: int) -> None:
        ids = made_ids(span, seed)
        present = [name for name in ids.tolist() if self.rows.pop(name, None) is not None]
        assert self.index.remove(ids) == len(present)

    @rule(seed=SEEDS, k=st.sampled_from([1, 3, 10, 700]), kind=st.sampled_from(["all", "ids", "bitmap"]))
    def search(self, seed: int, k: int, kind: str) -> None:
        names = np.array(sorted(self.rows), dtype=np.uint32)
        random = np.random.default_rng(seed)
        allowed: Ids | NDArray[np.uint8] | None = None
        if kind != "all":
            names = names[random.random(len(names)) < random.choice([0.001, 0.1, 0.5, 0.95])]
            bits = names[names < 1_000_000]
            names = names if kind == "ids" else bits
            flags = np.zeros(int(bits[-1]) + 1 if len(bits) else 0, dtype=np.bool_)
            flags[bits] = True
            allowed = names if kind == "ids" else np.packbits(flags, bitorder="little")
        query = made_rows(1, self.dim, seed)
        hits = self.index.search(query, k, allowed)
        self.compare(query, names, hits.ids[0][: hits.found[0]], hits.scores[0][: hits.found[0]], k)

    def compare(self, query: Rows, names: Ids, found: Ids, scores: Rows, k: int) -> None:
        assert len(found) == min(k, len(names))
        if len(found) == 0:
            return
        cosines = np.stack([self.rows[name] for name in names.tolist()]) @ query[0]
        places = np.searchsorted(names, found)
        assert np.array_equal(names[places], found)
        assert len(np.unique(found)) == len(found)
        assert np.allclose(scores, cosines[places], atol=1e-5)
        assert (np.diff(scores) <= 0).all()
        least = np.sort(cosines)[::-1][len(found) - 1]
        assert np.mean(cosines[places] >= least - 1e-5) >= self.least_recall

    @rule()
    def snapshot(self) -> None:
        self.mark += 1
        self.index.snapshot(self.mark)
        self.saved = dict(self.rows)

    @rule()
    def open_again(self) -> None:
        self.index.close()
        self.index = Index.open(self.path, dim=self.dim)
        self.rows = dict(self.saved)
        assert self.index.mark == self.mark
        assert self.index.verify().rows == len(self.rows)

    @rule(seed=SEEDS)
    def look_up(self, seed: int) -> None:
        if not self.rows:
            return
        names = np.random.default_rng(seed).permutation(np.array(sorted(self.rows), dtype=np.uint32))[:50]
        assert np.array_equal(self.index.vectors_of(names), np.stack([self.rows[name] for name in names.tolist()]))

    @invariant()
    def holds_the_same_ids(self) -> None:
        assert len(self.index) == len(self.rows)
        assert np.array_equal(self.index.ids(), np.array(sorted(self.rows), dtype=np.uint32))

    def teardown(self) -> None:
        self.index.close()
        self.folder.cleanup()


class AgainstModelWithSketches(AgainstModel):
    """With sketches a hit may be missed now and then; nothing else may differ."""

    dim = 64
    least_recall = 0.0  # of one query; `many_queries_keep_recall` bounds the mean

    @rule(seed=SEEDS)
    def many_queries_keep_recall(self, seed: int) -> None:
        queries = made_rows(40, self.dim, seed)
        exact, found = self.index.search(queries, 10, exact=True), self.index.search(queries, 10)
        if len(self.rows) >= 10:
            shared = [len(np.intersect1d(one, other)) for one, other in zip(exact.ids, found.ids, strict=True)]
            assert np.mean(shared) / 10 >= 0.97


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(
    max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=QUIET
)
TestAgainstModelWithSketches = AgainstModelWithSketches.TestCase
TestAgainstModelWithSketches.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=QUIET
)
