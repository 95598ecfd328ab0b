"""What goes into the index comes out of it, and what must not go in is refused."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import opsin_index
from opsin_index import MISSING, BadIds, BadSearch, BadVectors, Index, UnknownIds, VectorIndexError

DIM = 16


def unit(count: int, dim: int = DIM, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def names(*values: int) -> NDArray[np.uint32]:
    return np.array(values, dtype=np.uint32)


@pytest.fixture
def index(tmp_path: Path) -> Any:
    with Index.create(tmp_path / "vectors.index", dim=DIM) as made:
        yield made


def test_a_stored_vector_is_its_own_best_hit(index: Index) -> None:
    rows = unit(100)
    index.upsert(np.arange(100, dtype=np.uint32), rows)
    hits = index.search(rows, 3)
    assert hits.ids[:, 0].tolist() == list(range(100))
    assert hits.scores[:, 0] == pytest.approx(1, abs=2e-3)


def test_scores_are_the_cosines_with_the_rounded_rows_best_first(index: Index) -> None:
    rows, queries = unit(300), unit(5, seed=1)
    index.upsert(np.arange(300, dtype=np.uint32), rows)
    hits = index.search(queries, 7)
    cosines = queries @ rows.astype(np.float16).astype(np.float32).T
    for query in range(5):
        assert hits.scores[query] == pytest.approx(np.sort(cosines[query])[::-1][:7], abs=1e-6)
        assert hits.scores[query] == pytest.approx(cosines[query][hits.ids[query]], abs=1e-6)


def test_equal_scores_come_by_ascending_id(index: Index) -> None:
    index.upsert(names(9, 3, 7), np.repeat(unit(1), 3, axis=0))
    assert index.search(unit(1), 3).ids.tolist() == [[3, 7, 9]]


def test_places_without_a_row_are_filled_as_documented(index: Index) -> None:
    index.upsert(names(4), unit(1))
    hits = index.search(unit(2), 3)
    assert hits.ids.tolist() == [[4, MISSING, MISSING]] * 2
    assert np.isneginf(hits.scores[:, 1:]).all()
    assert hits.found.tolist() == [1, 1]
    assert hits.ids.dtype == np.uint32
    assert hits.scores.dtype == np.float32


def test_an_empty_index_finds_nothing(index: Index) -> None:
    assert index.search(unit(2), 5).found.tolist() == [0, 0]
    assert index.search(unit(0), 5).ids.shape == (0, 5)
    assert len(index) == 0
    assert index.ids().tolist() == []


def test_a_removed_vector_is_never_found_again(index: Index) -> None:
    rows = unit(50)
    index.upsert(np.arange(50, dtype=np.uint32), rows)
    assert index.remove(names(7, 8, 1000)) == 2
    assert index.remove(names(7)) == 0
    found = index.search(rows, 50).ids
    assert not np.isin([7, 8], found).any()
    assert len(index) == 48
    assert 7 not in index
    assert 9 in index
    with pytest.raises(UnknownIds, match="7"):
        index.vectors_of(names(9, 7))


def test_a_replaced_vector_is_found_at_its_new_place_only(index: Index) -> None:
    rows = unit(4)
    index.upsert(names(10, 20), rows[:2])
    index.upsert(names(10, 30), rows[2:])
    assert index.search(rows[:1], 1).ids[0, 0] != 10
    assert index.search(rows[2:3], 1).ids[0, 0] == 10
    assert len(index) == 3
    assert index.ids().tolist() == [10, 20, 30]


def test_vectors_come_back_rounded_in_the_order_asked_for(index: Index) -> None:
    rows = unit(5)
    index.upsert(names(50, 10, 40, 20, 30), rows)
    back = index.vectors_of(names(30, 50, 10))
    assert back.dtype == np.float32
    assert np.array_equal(back, rows[[4, 0, 1]].astype(np.float16).astype(np.float32))


def test_storing_what_came_back_changes_nothing(index: Index) -> None:
    index.upsert(names(1, 2), unit(2))
    before = index.vectors_of(names(1, 2))
    index.upsert(names(1, 2), before)
    assert np.array_equal(index.vectors_of(names(1, 2)), before)


def test_ids_may_be_any_uint32_but_the_last(index: Index) -> None:
    index.upsert(names(0, 2**32 - 2), unit(2))
    assert index.ids().tolist() == [0, 2**32 - 2]
    assert 2**32 - 2 in index
    assert index.search(unit(2), 1).ids.ravel().tolist() == [0, 2**32 - 2]
    for nothing in (-1, 2**32 - 1, 2**40, "0", None, 0.0, True):
        assert nothing not in index


@pytest.mark.parametrize("kind", ["ids", "bitmap"])
@pytest.mark.parametrize("count", [0, 1, 30, 6_000])
def test_only_allowed_rows_are_found(index: Index, kind: str, count: int) -> None:
    rows, queries = unit(8_000), unit(4, seed=1)
    stored = np.random.default_rng(3).permutation(20_000)[:8_000].astype(np.uint32)
    index.upsert(stored, rows)
    index.remove(stored[:100])
    chosen = np.sort(np.random.default_rng(2).choice(20_000, count, replace=False)).astype(np.uint32)
    allowed = chosen if kind == "ids" else np.packbits(np.isin(np.arange(20_000), chosen), bitorder="little")
    hits = index.search(queries, 10, allowed)
    usable = np.flatnonzero(np.isin(stored, chosen) & (np.arange(8_000) >= 100))
    cosines = queries @ rows[usable].astype(np.float16).astype(np.float32).T
    for query in range(4):
        expected = np.sort(cosines[query])[::-1][:10]
        assert hits.scores[query][: len(expected)] == pytest.approx(expected, abs=1e-6)
        assert np.isin(hits.ids[query][: len(expected)], stored[usable]).all()
        assert hits.found[query] == len(expected)


def test_ids_beyond_a_bitmap_are_not_allowed(index: Index) -> None:
    index.upsert(names(1, 9, 100), unit(3))
    assert index.search(unit(1), 3, np.array([0b10], dtype=np.uint8)).ids.tolist() == [[1, MISSING, MISSING]]
    assert index.search(unit(1), 3, np.empty(0, dtype=np.uint8)).found.tolist() == [0]


@pytest.mark.parametrize("first", [0, 3, 8, 13])
def test_a_bitmap_fits_consecutive_ids_wherever_they_begin(index: Index, first: int) -> None:
    index.upsert(np.arange(first, first + 40, dtype=np.uint32), unit(40))
    wanted = [first, first + 1, first + 7, first + 39]
    for length in (first + 40, first + 60, first + 8):
        bits = np.packbits(np.isin(np.arange(length), wanted), bitorder="little")
        found = index.search(unit(1), 40, bits).ids[0]
        assert sorted(found[found != MISSING].tolist()) == [name for name in wanted if name < length]


BAD_VECTORS: list[tuple[Any, str]] = [
    ([[1.0] * DIM], "numpy array"),
    (unit(1).astype(np.float64), "float64"),
    (unit(1)[0], "shape"),
    (unit(1, DIM + 1), "shape"),
    (unit(1) * 2, "length 2"),
    (unit(1) * 0, "length 0"),
    (np.full((1, DIM), np.nan, dtype=np.float32), "not finite"),
    (np.full((1, DIM), np.inf, dtype=np.float32), "not finite"),
]


@pytest.mark.parametrize(("vectors", "fault"), BAD_VECTORS)
def test_bad_vectors_are_refused_with_the_reason_and_change_nothing(index: Index, vectors: Any, fault: str) -> None:
    index.upsert(names(1), unit(1))
    with pytest.raises(BadVectors, match=fault):
        index.upsert(names(1), vectors)
    with pytest.raises(BadVectors, match=fault):
        index.search(vectors, 1)
    assert np.array_equal(index.vectors_of(names(1)), unit(1).astype(np.float16).astype(np.float32))


def test_the_row_at_fault_is_named(index: Index) -> None:
    rows = unit(5)
    rows[3] *= 3
    with pytest.raises(BadVectors, match="row 3"):
        index.upsert(np.arange(5, dtype=np.uint32), rows)
    assert len(index) == 0


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        ([1, 2], "numpy array"),
        (np.array([1, 2]), "int64"),
        (np.array([[1, 2]], dtype=np.uint32), "shape"),
        (np.array([5, 5], dtype=np.uint32), "id 5 stands twice"),
        (np.array([1, 2**32 - 1], dtype=np.uint32), "reserved"),
        (np.array([1], dtype=np.uint32), "1 ids for 2 vectors"),
    ],
)
def test_bad_ids_are_refused_with_the_reason(index: Index, ids: Any, fault: str) -> None:
    with pytest.raises(BadIds, match=fault):
        index.upsert(ids, unit(2))
    assert len(index) == 0


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", None, True, 10**9])
def test_a_bad_k_is_refused(index: Index, k: Any) -> None:
    with pytest.raises(BadSearch, match="k must be"):
        index.search(unit(1), k)


@pytest.mark.parametrize(
    "allowed",
    [
        [1, 2],
        np.array([2, 1], dtype=np.uint32),
        np.array([1, 1], dtype=np.uint32),
        np.array([1], dtype=np.int64),
        np.ones((2, 2), dtype=np.uint8),
        np.array([True]),
    ],
)
def test_a_bad_selection_is_refused(index: Index, allowed: Any) -> None:
    with pytest.raises(BadSearch, match="allowed must be"):
        index.search(unit(1), 1, allowed)


@pytest.mark.parametrize("dim", [0, -1, 10**6, 2.0, True])
def test_a_bad_dimension_is_refused(tmp_path: Path, dim: Any) -> None:
    with pytest.raises(ValueError, match="dim must be"):
        Index.create(tmp_path / "other", dim=dim)
    assert list(tmp_path.iterdir()) == []


def test_float16_rows_and_rows_in_other_memory_orders_are_taken(index: Index) -> None:
    rows = unit(6)
    index.upsert(names(1, 2, 3), rows[:3].astype(np.float16))
    index.upsert(names(4, 5, 6), np.asfortranarray(rows[3:]))
    assert index.search(rows[::2][:, ::1], 1).ids.ravel().tolist() == [1, 3, 5]


def test_searches_beside_a_writer_see_all_rows_of_a_change_or_none(index: Index) -> None:
    """The writer replaces all rows at once, by turns with one of two opposite vectors: no search sees both."""
    one = unit(1)
    ids = np.arange(500, dtype=np.uint32)
    index.upsert(ids, np.repeat(one, 500, axis=0))
    done = threading.Event()
    mixed: list[float] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                hits = index.search(one, 500)
                if hits.found[0] != 500 or hits.scores[0].std() > 1e-3:
                    mixed.append(float(hits.scores[0].std()))
        except VectorIndexError as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(200):
        index.upsert(ids, np.repeat(one * (-1) ** turn, 500, axis=0))
    done.set()
    for reader in readers:
        reader.join()
    assert not mixed
    assert not failures


def test_several_writing_threads_lose_nothing(index: Index) -> None:
    def write(base: int) -> None:
        for number in range(50):
            index.upsert(names(base + number), unit(1, seed=base + number))

    writers = [threading.Thread(target=write, args=(base,)) for base in (0, 100, 200, 300)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(index) == 200


def test_several_threads_give_the_answer_of_one(tmp_path: Path) -> None:
    rows, queries = unit(40_000), unit(20, seed=1)
    ids = np.arange(40_000, dtype=np.uint32)
    with (
        Index.create(tmp_path / "one", dim=DIM) as one,
        Index.create(tmp_path / "three", dim=DIM, threads=3) as three,
    ):
        one.upsert(ids, rows)
        three.upsert(ids, rows)
        assert np.array_equal(one.search(queries, 10).ids, three.search(queries, 10).ids)


def test_every_name_that_the_package_exports_is_there() -> None:
    assert dir(opsin_index) == sorted(opsin_index.__all__)
    for name in opsin_index.__all__:
        assert getattr(opsin_index, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        opsin_index.nothing  # noqa: B018
