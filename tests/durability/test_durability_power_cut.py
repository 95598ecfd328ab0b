"""After a power cut that drops every write that was not synced, each acknowledged picture is there, whole."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

import opsin
from opsin.testing import jpeg_bytes, make_noise, make_picture

if TYPE_CHECKING:
    from tests.durability.conftest import FreshLibrary
    from tests.durability.durable_check import parse, problems
    from tests.durability.durable_disk import CrashDisk, Kept
    from tests.durability.durable_process import Running
    from tests.durability.durable_trace import Call, calls, tracing
else:
    from durable_check import parse, problems
    from durable_disk import CrashDisk, Kept
    from durable_process import Running
    from durable_trace import Call, calls, tracing

pytestmark = pytest.mark.usefixtures("strace")
_PICTURES = 10
_SEED = 20240611


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    for number in range(_PICTURES):
        pixels = make_noise(number, 40) if number % 2 else make_picture("red", "square", 40 + number)
        (folder / f"{number:02}.jpg").write_bytes(jpeg_bytes(pixels))
    return folder


@dataclass
class _Traced:
    """The library before, and every call of the run on it."""

    before: Path
    root: Path
    output: bytes
    log: Path
    calls: list[Call] = field(default_factory=list)

    def cuts(self, disk: CrashDisk) -> Iterator[tuple[Call, bytes]]:
        """Replay; yield each call that is about to happen, with all that was written to standard output before.

        An acknowledgement counts from the beginning of its write: whoever reads it may have it by then.
        """
        written = b""
        pipe = next(call.paths for call in self.calls if _writes_out(call) and self.output.startswith(call.data))
        for call in disk.replay(self.calls):
            if _writes_out(call) and call.paths == pipe:
                written += call.data
            yield call, written
        assert written == self.output


def _writes_out(call: Call) -> bool:
    return call.name == "write" and call.handle == 1 and bool(call.data)


def _trace(root: Path, log: Path, *arguments: str | Path, before: Path) -> _Traced:
    running = Running(*arguments, before=tracing(log))
    status = running.wait()
    assert status == 0, running.errors
    return _Traced(before, root, running.output, log, list(calls(log)))


@pytest.fixture(scope="module")
def added(strace: str, empty_library: Path, few_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> _Traced:
    """Trace `opsin add --copy --json` on an empty library."""
    folder = tmp_path_factory.mktemp("traced")
    root = folder / "library"
    shutil.copytree(empty_library, root)
    arguments = ("add", "--json", "--copy", "--tag", "trip", "--library", root, few_photos)
    return _trace(root, folder / "trace", *arguments, before=empty_library)


def _after_each_acknowledgement(
    traced: _Traced, target: Path, kept: Kept = "synced", ignored: Callable[[str], bool] = lambda _: False
) -> dict[int, list[str]]:
    """Cut after each acknowledgement; return, for how many there were, what is wrong with the library then."""
    disk = CrashDisk(traced.root, traced.before, ignored=ignored)
    wrong: dict[int, list[str]] = {}
    for _, written in traced.cuts(disk):
        lines = parse(written)
        if lines and len(lines) not in wrong:
            root = target / f"{kept}-{len(lines)}"
            disk.write_to(root, kept, seed=_SEED + len(lines))
            wrong[len(lines)] = problems(root, lines)
    return wrong


@pytest.mark.parametrize("kept", get_args(Kept))
def test_each_acknowledged_picture_outlasts_a_power_cut(added: _Traced, tmp_path: Path, kept: Kept) -> None:
    wrong = _after_each_acknowledgement(added, tmp_path, kept)
    assert wrong == {count: [] for count in range(1, _PICTURES + 1)}


def test_a_power_cut_at_any_moment_leaves_a_library_that_opens(added: _Traced, tmp_path: Path) -> None:
    chosen = random.Random(_SEED)
    disk = CrashDisk(added.root, added.before)
    moments = [number for number, call in enumerate(added.calls) if any(str(added.root) in path for path in call.paths)]
    cuts = set(chosen.sample(moments, 12))
    for number, (call, written) in enumerate(added.cuts(disk)):
        if number in cuts:
            root = tmp_path / f"{number}"
            disk.write_to(root, "some", seed=number)
            assert problems(root, parse(written)) == [], f"cut {number} of seed {_SEED}, before {call.name}"


@pytest.mark.parametrize(
    ("ignored", "said"),
    [
        (lambda path: path.startswith("blobs/"), "the copy of"),
        (lambda path: path == "blobs", "the copy of"),
        (lambda path: path.endswith("-wal"), "was acknowledged and is missing"),
    ],
    ids=["files and folders of blobs", "the folder of all blobs", "catalogue"],
)
def test_a_sync_left_out_is_noticed(added: _Traced, tmp_path: Path, ignored: Callable[[str], bool], said: str) -> None:
    wrong = _after_each_acknowledgement(added, tmp_path, ignored=ignored)
    assert all(any(said in problem for problem in found) for found in wrong.values()), wrong


def test_copy_then_folder_then_catalogue_are_synced_before_the_acknowledgement(
    added: _Traced, few_photos: Path
) -> None:
    for path in sorted(few_photos.iterdir()):
        _check_order(added, path.read_bytes())


def _check_order(added: _Traced, data: bytes) -> None:
    name = hashlib.sha256(data).hexdigest()
    shard = f"{added.root}/blobs/{name[:2]}"
    catalogue = f"{added.root}/catalogue.sqlite"

    def first(*names: str, after: int = 0, holds: bytes = b"", paths: tuple[str, ...] = ()) -> Call:
        return next(
            call
            for call in added.calls
            if call.name in names and call.begin > after and holds in call.data and paths in {(), call.paths}
        )

    stored = first("write", holds=data)
    file = first("fsync", "fdatasync", after=stored.end, paths=stored.paths)
    renamed = first("rename", after=file.end, paths=(stored.paths[0], f"{shard}/{name}"))
    folder = first("fsync", after=renamed.end, paths=(shard,))
    inserted = first("pwrite64", holds=bytes.fromhex(name), paths=(f"{catalogue}-wal",))
    assert folder.end < inserted.begin, "the catalogue knew of the picture before its copy was durable"
    committed = first("fsync", "fdatasync", after=inserted.end, paths=(f"{catalogue}-wal",))
    acknowledged = first("write", holds=f'"{name}"'.encode())
    assert acknowledged.handle == 1
    assert committed.end < acknowledged.begin, "the picture was acknowledged before its commit was durable"


def test_what_a_killed_run_left_unsynced_is_synced_by_the_next(
    fresh_library: FreshLibrary, few_photos: Path, tmp_path: Path
) -> None:
    # One picture: with more of them, the folder of a later one would bring the name of the first one's to the disk, too.
    photo = min(few_photos.iterdir())
    whole = fresh_library("whole")
    (tmp_path / "other.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 40)))
    with opsin.open(whole) as library:  # its index is made now, so that the first fsync below is that of a copy
        library.add(tmp_path / "other.jpg")
    root = Path(shutil.copytree(whole, tmp_path / "library"))
    arguments = ("add", "--json", "--copy", "--library", root, photo)
    # Killed by the first fsync: the subfolder of blobs is made, and its name is not on the disk.
    killed = Running(*arguments, before=tracing(tmp_path / "killed", "-e", "inject=fsync:signal=SIGKILL:when=1"))
    assert killed.wait() != 0
    assert killed.left_behind() == []
    before = list(calls(tmp_path / "killed"))
    assert any(call.name == "mkdir" and call.paths[0].startswith(f"{root}/blobs/") for call in before)
    assert not any(call.name == "fsync" for call in before)
    again = _trace(root, tmp_path / "again", *arguments, before=whole)
    disk = CrashDisk(root, whole)
    for _ in disk.replay(before):
        pass
    acknowledged = 0
    for _, written in again.cuts(disk):
        if acknowledged < len(parse(written)):
            acknowledged = len(parse(written))
            disk.write_to(tmp_path / "cut")
            assert problems(tmp_path / "cut", parse(written)) == []
    assert acknowledged == 1


def test_a_made_library_outlasts_a_power_cut(tmp_path: Path, settings_text: str) -> None:
    before, root = tmp_path / "before", tmp_path / "library"
    for folder in (before, root):
        folder.mkdir()
        (folder / "opsin.toml").write_text(settings_text, "utf-8")
    traced = _trace(root, tmp_path / "trace", "init", "--json", "--encoder", "fake", "--library", root, before=before)
    disk = CrashDisk(root, before)
    for _, written in traced.cuts(disk):
        if written.endswith(b"\n"):
            break
    disk.write_to(tmp_path / "cut")
    assert problems(tmp_path / "cut", []) == []
    with opsin.open(tmp_path / "cut", readonly=True) as library:
        assert [vocabulary.name for vocabulary in library.vocabularies.list()] == ["everyday"]


def test_a_sync_that_began_later_is_not_undone_by_an_earlier_one_that_ends_after_it(tmp_path: Path) -> None:
    root, before = tmp_path / "library", tmp_path / "before"
    before.mkdir()

    def sync(begin: int, end: int) -> Call:
        return Call("fsync", begin, end, 3, (str(root),), b"", 0, "")

    made = [
        sync(0, 4),
        Call("mkdir", 1, 1, None, (str(root / "7c"),), b"", 0, ""),
        sync(2, 3),
    ]
    disk = CrashDisk(root, before)
    assert len(list(disk.replay(made))) == 3
    disk.write_to(tmp_path / "after")
    assert [each.name for each in (tmp_path / "after").iterdir()] == ["7c"]
