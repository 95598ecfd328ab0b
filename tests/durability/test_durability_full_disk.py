"""A disk without room is a clear error; what was acknowledged before is whole, and with room `opsin add` goes on."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import opsin
from opsin.catalogue import Catalogue
from opsin.catalogue.blobs import Blobs
from opsin.catalogue.sqlite import failures
from opsin.errors import Damaged, LibraryError
from opsin.testing import jpeg_bytes, make_noise

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.durability.durable_check import parse, problems
    from tests.durability.durable_process import OPSIN, Running, opsin_command
else:
    from durable_check import parse, problems
    from durable_process import OPSIN, Running, opsin_command

_KIB = 1024


def _add_with_limit(root: Path, photos: Path, limit: int) -> subprocess.CompletedProcess[bytes]:
    """Run `opsin add --copy` where no file may grow beyond ``limit`` bytes, as with a quota."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); {OPSIN[2]}"
    arguments = ["add", "--json", "--copy", "--library", str(root), str(photos)]
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, timeout=240)


def _add_the_rest(root: Path, photos: Path) -> None:
    again = opsin_command("add", "--json", "--copy", "--library", root, photos)
    assert again.process.returncode == 0, again.errors
    lines = parse(again.output)
    assert len(lines) == len(list(photos.iterdir()))
    assert problems(root, lines) == []


def _four_of_each(pictures: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in pictures.iterdir():
        for copy in range(4):  # other bytes behind the end: another content
            (folder / f"{copy}-{path.name}").write_bytes(path.read_bytes() + bytes([copy]))
    return folder


def test_a_catalogue_that_cannot_grow_ends_with_status_4_and_loses_nothing(
    wordy_library: Path, many_photos: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(wordy_library, tmp_path / "library"))
    photos = _four_of_each(many_photos, tmp_path / "photos")
    # The write-ahead log grows by some 18 kB a picture; 48 pictures at most share a commit, so one commit always fits.
    done = _add_with_limit(root, photos, (root / "catalogue.sqlite").stat().st_size + 1300 * _KIB)
    assert done.returncode == 4, done.stderr
    assert b"catalogue.sqlite" in done.stderr
    assert b"check the room on the disk" in done.stderr
    assert b"Traceback" not in done.stderr
    acknowledged = parse(done.stdout)
    assert 0 < len(acknowledged) < 160
    assert problems(root, acknowledged) == []
    _add_the_rest(root, photos)


@pytest.mark.parametrize(
    ("refused", "said"),
    # strace counts for each thread: one writes the catalogue, 48 write copies, with two to four fsyncs for each
    [("pwrite64:error=ENOSPC:when=300+", b"catalogue.sqlite"), ("fsync:error=ENOSPC:when=6+", b"cannot store a copy")],
    ids=["catalogue", "copy"],
)
def test_calls_that_find_no_space_left_end_with_status_4_and_lose_nothing(
    wordy_library: Path, many_photos: Path, tmp_path: Path, strace: str, refused: str, said: bytes
) -> None:
    root = Path(shutil.copytree(wordy_library, tmp_path / "library"))
    photos = _four_of_each(many_photos, tmp_path / "photos")
    filled = [strace, "-f", "-qq", "-o", str(tmp_path / "calls"), "-e", f"inject={refused}"]
    running = Running("add", "--json", "--copy", "--library", root, photos, before=filled)
    assert running.wait() == 4, running.errors
    assert said in running.errors
    assert b"free some space, then do it again" in running.errors
    assert b"Traceback" not in running.errors
    assert [path.name for path in root.glob("blobs/*/.*")] == [], "an unfinished copy was left behind"
    acknowledged = parse(running.output)
    assert 0 < len(acknowledged) < 160
    assert problems(root, acknowledged) == []
    _add_the_rest(root, photos)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """Return a script that mounts a file system of a few MB on its first argument and runs the rest there."""
    script = tmp_path / "on-tiny-disk"
    script.write_text('set -e; mount -t tmpfs -o "size=$1" none "$2"; shift 2; exec "$@"\n', "utf-8")
    tried = subprocess.run(
        ["unshare", "-Urm", "sh", str(script), "1m", str(tmp_path), "true"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        # Never a failure: many CI machines forbid it, and the two tests above go through the same errors without it.
        pytest.skip(f"a small file system cannot be mounted here: {tried.stderr.decode().strip()}")
    return script


@pytest.mark.parametrize("large", [False, True], ids=["catalogue", "copy"])
def test_a_full_file_system_ends_with_status_4_and_loses_nothing(
    wordy_library: Path, many_photos: Path, tmp_path: Path, tiny_disk: Path, large: bool
) -> None:
    photos, disk, kept = tmp_path / "photos", tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    shutil.copytree(many_photos, photos)
    if large:
        for path in sorted(photos.iterdir())[3:]:
            path.unlink()
        (photos / "99.jpg").write_bytes(jpeg_bytes(make_noise(99, 64)) + bytes(1024 * _KIB))
    room = sum(path.stat().st_size for path in wordy_library.rglob("*") if path.is_file()) + 600 * _KIB
    arguments = ["add", "--json", "--copy", "--library", f"{disk}/library", str(photos)]
    # The file system goes with the last process that sees it, so that the library is copied out of it before.
    script = 'cp -r "$1" "$2/library"; disk=$2; kept=$3; shift 3; "$@"; status=$?; cp -r "$disk/library" "$kept"; exit $status'
    steps = ["sh", "-c", script, "sh", str(wordy_library), str(disk), str(kept), *OPSIN, *arguments]
    done = subprocess.run(
        ["unshare", "-Urm", "sh", str(tiny_disk), str(room), str(disk), *steps],
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 4, done.stderr
    assert b"Traceback" not in done.stderr
    assert (b"cannot store a copy" if large else b"the disk is full") in done.stderr or b"No space left" in done.stderr
    assert [path.name for path in kept.glob("blobs/*/.*")] == [], "an unfinished copy was left behind"
    acknowledged = parse(done.stdout)
    assert len(acknowledged) < len(list(photos.iterdir()))
    assert problems(kept, acknowledged) == []
    _add_the_rest(kept, photos)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (sqlite3.SQLITE_FULL, LibraryError, "free some space"),
        (sqlite3.SQLITE_IOERR_WRITE, LibraryError, "check the room on the disk"),
        (sqlite3.SQLITE_CORRUPT, Damaged, "restore it from a backup"),
    ],
)
def test_what_sqlite_says_becomes_an_error_that_says_what_to_do(
    tmp_path: Path, code: int, kind: type[LibraryError], said: str
) -> None:
    cause = sqlite3.OperationalError("told by SQLite")
    cause.sqlite_errorcode = code
    with pytest.raises(kind, match=said) as raised, failures(tmp_path / "catalogue.sqlite"):
        raise OperationalError("INSERT", {}, cause)
    assert "told by SQLite" in str(raised.value)


def test_a_full_database_rolls_back_and_can_be_used_again(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with pytest.raises(LibraryError, match="disk is full"):
        _store(catalogue, most_pages=1, value="zeroblob(10000000)")
    _store(catalogue, most_pages=1_000_000_000, value="'v'")
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM meta WHERE key = 'k'")).scalar() == 1
    catalogue.close()


def _store(catalogue: Catalogue, *, most_pages: int, value: str) -> None:
    with catalogue.write() as connection:
        connection.execute(text(f"PRAGMA max_page_count = {most_pages}"))
        connection.execute(text(f"INSERT INTO meta VALUES ('k', {value})"))


def test_a_file_that_is_no_database_is_named_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(Damaged, match="backup"):
        Catalogue(tmp_path / "catalogue.sqlite")


def test_an_index_that_cannot_be_written_out_is_made_up_for(
    make_library: MakeLibrary, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = make_library()
    library.add(photos)
    aside = library.path / "index.opsin.new"
    aside.mkdir()  # in the way of the snapshot
    with pytest.raises(LibraryError, match=r"cannot write the index"):
        library._workspace.indexed.snapshot()
    library.close()
    assert "cannot write the index" in caplog.text
    aside.rmdir()
    with opsin.open(library.path) as again:
        assert not again.index.verify()
        assert again.index.status().indexed == 6


def test_a_commit_whose_vectors_were_not_made_searchable_is_in_the_next_snapshot(
    make_library: MakeLibrary, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_library()
    library.add(photos / "red-square.jpg")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(library._workspace.indexed, "upsert", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            library.add(photos / "green-circle.jpg")
    library.add(photos / "blue-circle.jpg")
    library.close()
    with opsin.open(library.path) as again:
        assert not again.index.verify()
        assert again.index.status().indexed == 3


def _interrupted(_vectors: object) -> None:
    raise KeyboardInterrupt


def test_a_copy_that_fails_leaves_nothing_and_names_the_reason(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file where the folder should be")
    with pytest.raises(LibraryError, match="cannot store a copy"):
        Blobs(tmp_path / "blobs").put(bytes(32), b"data")


def test_a_preview_for_which_there_is_no_room_is_shown_all_the_same_and_leaves_nothing(
    make_library: MakeLibrary, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = make_library()
    library.add(photos / "red-square.jpg")
    (library.path / "previews").write_bytes(b"a file where the folder should be")
    assert library.preview("red-square.jpg", width=32)[8:12] == b"WEBP"
    assert "cannot be kept" in caplog.text
    (library.path / "previews").unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(LibraryError, match="handed to a decoding process"):
            library.preview("red-square.jpg", width=32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert library.preview("red-square.jpg", width=32)[8:12] == b"WEBP"
    assert [path.name for path in library.path.glob("previews/*/.*")] == []
