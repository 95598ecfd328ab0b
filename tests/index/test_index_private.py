"""A private copy takes changes in memory and is never written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opsin_index import Index, ReadOnly


def row(*values: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vector = np.array([values], np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_a_private_copy_takes_changes_that_neither_the_file_nor_the_writer_sees(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with Index.create(path, dim=2, space="s") as writer:
        writer.upsert(np.array([1], np.uint32), row(1, 0))
        writer.snapshot(mark=1)
        before = path.read_bytes()
        with Index.private(path, dim=2, space="s") as copy:
            copy.upsert(np.array([2], np.uint32), row(0, 1))
            assert copy.search(row(0, 1), 1).ids.tolist() == [[2]]
            with pytest.raises(ReadOnly):
                copy.snapshot(mark=2)
        assert len(writer) == 1
        assert path.read_bytes() == before


def test_a_private_index_may_begin_empty() -> None:
    with Index.private(dim=2) as index:
        index.upsert(np.array([7], np.uint32), row(3, 4))
        assert 7 in index
        with pytest.raises(ReadOnly):
            index.snapshot()
