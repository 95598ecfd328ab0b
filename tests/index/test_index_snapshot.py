"""The snapshot is the old state or the new one, whole, whatever happens; damage is found and named."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opsin_index import (
    Index,
    IndexBusy,
    IndexClosed,
    IndexExists,
    IndexMissing,
    ReadOnly,
    SnapshotDamaged,
    SnapshotMismatch,
)

DIM = 16


def unit(count: int, seed: int = 0, dim: int = DIM) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def ids(count: int, first: int = 0) -> NDArray[np.uint32]:
    return np.arange(first, first + count, dtype=np.uint32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.index"


def saved(path: Path, count: int = 100, mark: int = 7) -> bytes:
    with Index.create(path, dim=DIM, space="toy") as index:
        index.upsert(ids(count), unit(count))
        index.remove(ids(3, first=20))
        index.snapshot(mark)
    return path.read_bytes()


def test_an_opened_index_is_the_one_that_was_saved(path: Path) -> None:
    saved(path)
    with Index.open(path) as index:
        assert (index.dim, index.space, index.mark, len(index)) == (DIM, "toy", 7, 97)
        assert np.array_equal(index.ids(), np.delete(ids(100), [20, 21, 22]))
        assert np.array_equal(index.vectors_of(ids(3)), unit(100)[:3].astype(np.float16).astype(np.float32))
        assert index.search(unit(100)[20:21], 100).found.tolist() == [97]
        index.upsert(ids(1, first=20), unit(100)[20:21])
        assert index.search(unit(100)[20:21], 1).ids.tolist() == [[20]]


def test_changes_that_no_snapshot_follows_are_not_kept(path: Path) -> None:
    saved(path)
    with Index.open(path) as index:
        assert not index.stats().unsaved
        index.upsert(ids(5, first=500), unit(5))
        assert index.stats().unsaved
    with Index.open(path) as index:
        assert len(index) == 97
        assert index.mark == 7


def test_a_new_index_can_be_opened_at_once(path: Path) -> None:
    Index.create(path, dim=3).close()
    with Index.open(path) as index:
        assert (index.dim, len(index), index.mark, index.space) == (3, 0, 0, "")
        assert index.verify().rows == 0


def test_a_snapshot_leaves_nothing_beside_the_file_and_the_lock(path: Path) -> None:
    saved(path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["vectors.index", "vectors.index.lock"]


def test_every_flipped_bit_is_found(path: Path) -> None:
    whole = saved(path)
    for place in [*range(0, 200, 3), *range(200, len(whole), 97), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(SnapshotDamaged, match=r"vectors\.index"):
            Index.open(path)


def test_flipped_bits_in_a_sketch_are_found_before_faiss_reads_it(path: Path) -> None:
    with Index.create(path, dim=64) as index:
        index.upsert(ids(16_384), unit(16_384, dim=64))
        assert index.stats().sketched_segments == 1
        index.snapshot()
    whole = path.read_bytes()
    sketch = 16_384 * 64 // 2
    for place in [
        *range(len(whole) - sketch - 400, len(whole) - sketch, 20),
        len(whole) - sketch // 2,
        len(whole) - 40,
    ]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        path.write_bytes(damaged)
        with pytest.raises(SnapshotDamaged):
            Index.open(path)


def test_every_truncation_is_found(path: Path) -> None:
    whole = saved(path)
    for length in [*range(60), *range(60, len(whole), 211), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotDamaged, match="restore it from a backup"):
            Index.open(path)


def test_bytes_that_follow_the_snapshot_are_found(path: Path) -> None:
    path.write_bytes(saved(path) + b"\0")
    with pytest.raises(SnapshotDamaged, match="bytes instead of"):
        Index.open(path)


def test_another_format_version_is_named(path: Path) -> None:
    whole = bytearray(saved(path))
    whole[8] = 99
    path.write_bytes(whole)
    with pytest.raises(SnapshotDamaged, match="format 99, this version reads format 1"):
        Index.open(path)


def test_a_file_that_is_no_snapshot_is_refused(path: Path) -> None:
    path.write_bytes(b"\x80\x04\x95 not a pickle either" * 10)
    with pytest.raises(SnapshotDamaged, match="does not begin like one"):
        Index.open(path)


def test_another_dimension_or_space_than_asked_for_is_refused(path: Path) -> None:
    saved(path)
    with pytest.raises(SnapshotMismatch, match="16 dimensions, not 512"):
        Index.open(path, dim=512)
    with pytest.raises(SnapshotMismatch, match="'toy', not 'other'"):
        Index.open(path, space="other")
    with Index.open(path, dim=DIM, space="toy") as index:
        assert len(index) == 97


def test_damage_done_later_is_found_by_verify(path: Path) -> None:
    whole = bytearray(saved(path))
    with Index.open(path) as index:
        report = index.verify()
        assert (report.rows, report.mark, report.snapshot_bytes) == (97, 7, len(whole))
        whole[-100] ^= 4
        path.write_bytes(whole)
        with pytest.raises(SnapshotDamaged):
            index.verify()
        index.snapshot(8)
        assert index.verify().mark == 8


def test_there_is_one_writer(path: Path) -> None:
    saved(path)
    with Index.open(path) as writer:
        with pytest.raises(IndexBusy, match="readonly=True"):
            Index.open(path)
        with Index.open(path, readonly=True) as reader:
            assert len(reader) == len(writer)
    Index.open(path).close()


def test_a_reader_sees_the_newer_snapshot_after_refresh(path: Path) -> None:
    saved(path)
    with Index.open(path) as writer, Index.open(path, readonly=True) as reader:
        assert not reader.refresh()
        writer.upsert(ids(10, first=1_000), unit(10))
        assert not reader.refresh()
        writer.snapshot(9)
        assert len(reader) == 97
        assert reader.refresh()
        assert (len(reader), reader.mark) == (107, 9)
        assert not reader.refresh()
        assert not writer.refresh()


def test_a_reader_keeps_what_it_has_when_the_newer_snapshot_is_damaged(path: Path) -> None:
    whole = saved(path)
    with Index.open(path, readonly=True) as reader:
        path.write_bytes(whole[:-1])
        with pytest.raises(SnapshotDamaged):
            reader.refresh()
        assert reader.search(unit(1), 1).found.tolist() == [1]


def test_a_reader_refuses_to_write(path: Path) -> None:
    saved(path)
    with Index.open(path, readonly=True) as reader:
        with pytest.raises(ReadOnly):
            reader.upsert(ids(1), unit(1))
        with pytest.raises(ReadOnly):
            reader.remove(ids(1))
        with pytest.raises(ReadOnly):
            reader.snapshot()


def test_missing_and_present_files_are_told_apart(path: Path) -> None:
    for readonly in (True, False):
        with pytest.raises(IndexMissing, match=r"Index\.create"):
            Index.open(path, readonly=readonly)
    saved(path)
    with pytest.raises(IndexExists, match=r"Index\.open"):
        Index.create(path, dim=DIM)


def test_a_closed_index_says_so(path: Path) -> None:
    saved(path)
    index = Index.open(path)
    index.close()
    index.close()
    with pytest.raises(IndexClosed):
        index.search(unit(1), 1)
    with pytest.raises(IndexClosed):
        index.upsert(ids(1), unit(1))
    with pytest.raises(IndexClosed):
        len(index)
    with pytest.raises(IndexClosed):
        index.snapshot()


@pytest.mark.parametrize("mark", [-1, 1.5, 2**63, "1", True])
def test_a_bad_mark_is_refused(path: Path, mark: int) -> None:
    with Index.create(path, dim=DIM) as index, pytest.raises(ValueError, match="mark must be"):
        index.snapshot(mark)


def test_a_full_disk_leaves_the_previous_snapshot_whole(path: Path) -> None:
    saved(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Index.open(path) as index:
        index.upsert(ids(5_000), unit(5_000))
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                index.snapshot(8)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert index.mark == 7
        assert index.stats().unsaved
        assert len(index) == 5_000
        assert index.verify().rows == 97
        assert not path.with_name("vectors.index.new").exists()
        index.snapshot(8)
        assert index.verify().rows == 5_000


WRITER = """
import sys
from pathlib import Path
import numpy as np
from opsin_index import Index

with Index.open(Path(sys.argv[1])) as index:
    dim = index.dim
    number = 0
    while True:
        number += 1
        rows = np.zeros((3000, dim), dtype=np.float32)
        rows[:, number % dim] = 1
        index.upsert(np.arange(number, number + 3000, dtype=np.uint32), rows)
        index.snapshot(number)
        print(number, flush=True)
"""


def test_killing_the_writer_at_any_moment_leaves_a_whole_snapshot(path: Path) -> None:
    Index.create(path, dim=256).close()
    pauses = np.random.default_rng(0).uniform(0, 0.05, 8)
    reported = 0
    for pause in pauses:
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            if child.stdout is None:
                pytest.fail("the child has no output")
            child.stdout.readline()
            time.sleep(float(pause))
            os.kill(child.pid, signal.SIGKILL)
            rest = child.stdout.read().split()
        reported = int(rest[-1]) if rest else 1
        with Index.open(path) as index:
            assert index.mark >= reported  # a snapshot that was reported is there, or a later one
            assert index.verify().rows == len(index)
            newest = ids(3_000, first=index.mark)
            assert (index.vectors_of(newest)[:, index.mark % 256] == 1).all()
            assert not path.with_name("vectors.index.new").exists()


def test_searches_and_changes_go_on_while_a_snapshot_is_written(path: Path) -> None:
    with Index.create(path, dim=DIM) as index:
        index.upsert(ids(1_000), unit(1_000))
        view_of_then = index.ids()
        writing = threading.Thread(target=index.snapshot, args=(3,))
        writing.start()
        for number in range(50):
            index.upsert(ids(1, first=10_000 + number), unit(1, seed=number))
            index.search(unit(1), 5)
        writing.join()
        assert index.mark == 3
        with Index.open(path, readonly=True) as reader:
            assert np.isin(view_of_then, reader.ids()).all()
        index.snapshot(4)
        assert index.verify().rows == 1_050


SAVER = """
import sys
from pathlib import Path
import numpy as np
from opsin_index import Index

with Index.open(Path(sys.argv[1])) as index:
    index.upsert(np.array([1], dtype=np.uint32), np.eye(1, 16, dtype=np.float32))
    index.snapshot(1)
"""


def test_the_file_is_synced_before_it_is_renamed_and_the_folder_after(path: Path, tmp_path: Path, strace: str) -> None:
    Index.create(path, dim=DIM).close()
    log = tmp_path / "calls"
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2"
    command = [strace, "-f", "-y", "-e", calls, "-o", str(log), sys.executable, "-c", SAVER, str(path)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    ours = [line for line in log.read_text().splitlines() if str(tmp_path) in line]
    kinds = [line.split(maxsplit=1)[1].split("(")[0] for line in ours]
    assert kinds == ["fsync", "rename", "fsync"]
    assert "vectors.index.new>" in ours[0]
    assert f"<{tmp_path}>" in ours[2]
