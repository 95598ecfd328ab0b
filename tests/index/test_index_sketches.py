"""Above one segment, searches go through sketches: what must still hold then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opsin_index import MISSING, Index
from opsin_index.segment import SEGMENT_ROWS
from opsin_index.sketch import Rotation, Sketch

DIM = 64
COUNT = 2 * SEGMENT_ROWS + 3_000
Rows = NDArray[np.float32]
Ids = NDArray[np.uint32] | NDArray[np.int64]


def unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def normal(count: int, seed: int, dim: int = DIM) -> Rows:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def pictures(count: int = COUNT, seed: int = 0) -> Rows:
    """Rows in clusters, as photographs are."""
    centres = np.random.default_rng(seed).integers(0, 100, count)
    return unit(normal(100, 77)[centres] + normal(count, seed))


def ids(count: int = COUNT, first: int = 0) -> NDArray[np.uint32]:
    return np.arange(first, first + count, dtype=np.uint32)


def recall(found: Ids, expected: Ids) -> float:
    """The share of the expected hits that were found, places without a row left out."""
    pairs = [(f[f != MISSING], e[e != MISSING]) for f, e in zip(found, expected, strict=True)]
    return float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in pairs]))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    made = Index.create(tmp_path_factory.mktemp("sketches") / "vectors.index", dim=DIM)
    made.upsert(ids(), pictures())
    return made


def test_full_segments_are_sketched_and_the_rest_is_not(index: Index) -> None:
    stats = index.stats()
    assert (stats.rows, stats.segments, stats.sketched_segments) == (COUNT, 3, 2)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_at_least_99_in_100_of_the_true_hits_are_found(index: Index, k: int) -> None:
    queries = unit(pictures()[::700] + 0.05 * normal(len(pictures()[::700]), 5))
    exact = index.search(queries, k, exact=True)
    found = index.search(queries, k)
    assert recall(found.ids, exact.ids) >= 0.99
    same = found.ids == exact.ids
    assert np.array_equal(found.scores[same], exact.scores[same])


def test_queries_that_resemble_no_row_cost_time_and_not_recall(index: Index) -> None:
    queries = unit(normal(40, 6))
    assert recall(index.search(queries, 10).ids, index.search(queries, 10, exact=True).ids) >= 0.99


def test_rows_that_no_sketch_can_tell_apart_are_still_told_apart(tmp_path: Path) -> None:
    base = unit(normal(1, 1))
    rows = unit(base + 0.05 * unit(normal(COUNT, 2)))
    with Index.create(tmp_path / "near", dim=DIM) as near:
        near.upsert(ids(), rows)
        queries = unit(base + 0.05 * unit(normal(20, 3)))
        exact, found = near.search(queries, 10, exact=True), near.search(queries, 10)
        assert recall(found.ids, exact.ids) >= 0.99


def test_a_sketch_names_the_best_rows_also_for_queries_that_lie_in_half_of_the_dimensions() -> None:
    rows = unit(np.hstack([0.5 * unit(normal(SEGMENT_ROWS, 1)), unit(normal(SEGMENT_ROWS, 2))]))
    queries = np.hstack([unit(normal(40, 3)), np.zeros((40, DIM), np.float32)])
    rotation = Rotation(2 * DIM)
    _, named = Sketch.of(rows.astype(np.float16), rotation).nearest(rotation.apply(queries), 200)
    best = np.argsort(-(queries @ rows.T), axis=1)[:, :20]
    assert recall(named, best) >= 0.99


def test_many_copies_of_one_row_are_all_found(tmp_path: Path) -> None:
    rows = np.repeat(unit(normal(1, 1)), SEGMENT_ROWS + 10, axis=0)
    with Index.create(tmp_path / "copies", dim=DIM) as copies:
        copies.upsert(ids(len(rows)), rows)
        hits = copies.search(rows[:1], 20)
        assert hits.found.tolist() == [20]
        assert hits.scores == pytest.approx(1, abs=2e-3)


def test_when_all_near_rows_are_removed_the_next_nearest_are_found(tmp_path: Path) -> None:
    rows, query = pictures(), pictures()[:1]
    with Index.create(tmp_path / "holes", dim=DIM) as holes:
        holes.upsert(ids(), rows)
        gone = holes.search(query, 3_000, exact=True).ids[0]
        holes.remove(gone)
        hits = holes.search(query, 10)
        assert not np.isin(hits.ids, gone).any()
        assert np.array_equal(hits.ids, holes.search(query, 10, exact=True).ids)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.15, 0.3, 0.9])
def test_a_selection_of_any_size_keeps_recall(index: Index, share: float) -> None:
    chosen = np.sort(np.random.default_rng(4).choice(COUNT, max(1, int(COUNT * share)), replace=False)).astype(
        np.uint32
    )
    bitmap = np.packbits(np.isin(ids(), chosen), bitorder="little")
    queries = pictures()[::1_500]
    exact = index.search(queries, 10, chosen, exact=True)
    for allowed in (chosen, bitmap):
        found = index.search(queries, 10, allowed)
        assert np.isin(found.ids[exact.ids != MISSING], chosen).all()
        assert recall(found.ids, exact.ids) >= 0.99


def test_a_k_larger_than_a_segment_lists_everything(index: Index) -> None:
    hits = index.search(pictures()[:1], COUNT + 5)
    assert hits.found.tolist() == [COUNT]
    assert np.array_equal(np.sort(hits.ids[0, :COUNT]), ids())
    assert (np.diff(hits.scores[0, :COUNT]) <= 0).all()


def test_removing_most_rows_gives_their_memory_back_and_keeps_the_others(tmp_path: Path) -> None:
    rows = pictures()
    with Index.create(tmp_path / "thin", dim=DIM) as thin:
        thin.upsert(ids(), rows)
        before = thin.stats().memory_bytes
        keep = ids()[::5]
        assert thin.remove(np.setdiff1d(ids(), keep)) == COUNT - len(keep)
        after = thin.stats()
        assert after.memory_bytes < before
        assert after.segments == 1
        assert np.array_equal(thin.ids(), keep)
        assert np.array_equal(thin.vectors_of(keep), rows[keep].astype(np.float16).astype(np.float32))
        thin.upsert(ids(SEGMENT_ROWS, first=COUNT), pictures(SEGMENT_ROWS, seed=9))
        queries = rows[keep][::500]
        assert thin.search(queries, 1).ids.ravel().tolist() == keep[::500].tolist()


def test_replacing_the_same_rows_over_and_over_takes_no_more_memory(tmp_path: Path) -> None:
    with Index.create(tmp_path / "again", dim=DIM) as again:
        for turn in range(60):
            again.upsert(ids(1_000), pictures(1_000, seed=turn))
        assert again.stats().segments == 1
        assert np.array_equal(
            again.vectors_of(ids(3)), pictures(1_000, seed=59)[:3].astype(np.float16).astype(np.float32)
        )


def test_sketches_survive_a_snapshot(index: Index, tmp_path: Path) -> None:
    with Index.create(tmp_path / "saved", dim=DIM) as saved:
        saved.upsert(ids(), pictures())
        saved.remove(ids()[::7])
        saved.snapshot()
        queries = pictures()[::1_000]
        with Index.open(tmp_path / "saved", readonly=True) as opened:
            assert opened.stats().sketched_segments == 2
            assert np.array_equal(opened.search(queries, 10).ids, saved.search(queries, 10).ids)
