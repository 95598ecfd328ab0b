"""`opsin backup` and `opsin restore`: hot, verified, and whole or not there."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import opsin
from opsin.errors import Damaged, LibraryError, UsageError
from opsin.services.backup import back_up, restore
from opsin.testing import jpeg_bytes, make_picture


@pytest.fixture(scope="module")
def copied_once(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library with six copied pictures, closed."""
    root = tmp_path_factory.mktemp("copied") / "library"
    root.mkdir()
    shutil.copy(made_once / "library" / "opsin.toml", root)
    with opsin.init(root, encoder="fake") as library:
        library.add(made_once / "photos", copy=True)
        library.tag("red-circle.jpg", add=["keeper"])
    return root


@pytest.fixture
def copied(copied_once: Path, tmp_path: Path) -> Iterator[opsin.Library]:
    """Return an open library with six copied pictures."""
    with opsin.open(shutil.copytree(copied_once, tmp_path / "library")) as library:
        yield library


def no_leftovers(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_taken_beside_the_owner_gives_the_library_back(
    copied: opsin.Library, tmp_path: Path, run: Callable[..., Any], name: str
) -> None:
    target = tmp_path / name
    assert run("backup", target, "--library", copied.path).status == 0
    before = [(asset.id, asset.tags) for asset in copied.list()]
    ran = run("restore", target, "--library", tmp_path / "new", "--json")
    assert ran.status == 0
    assert ran.lines[0]["library"] == str(tmp_path / "new")
    with opsin.open(tmp_path / "new") as again:
        assert [(asset.id, asset.tags) for asset in again.list()] == before
        assert not again.verify_index()
        assert again.preview("red-circle.jpg")[:4] == b"RIFF"
        assert again.search("red", everything=True).hits
    assert run("doctor", "--library", tmp_path / "new").status == 0
    assert no_leftovers(tmp_path)


def test_pictures_added_meanwhile_are_in_the_backup_or_not_but_whole(copied: opsin.Library, tmp_path: Path) -> None:
    stop = threading.Event()

    def keep_adding() -> None:
        number = 0
        while not stop.is_set():
            copied.add(jpeg_bytes(make_picture("red", "ring", 40 + number)))
            number += 1

    adding = threading.Thread(target=keep_adding)
    adding.start()
    try:
        for number in range(3):
            for _ in copied.back_up(tmp_path / f"backup{number}"):
                pass
    finally:
        stop.set()
        adding.join()
    counts = []
    for number in range(3):
        with opsin.restore(tmp_path / f"backup{number}", tmp_path / f"new{number}") as again:
            counts.append(again.count())
            assert not again.verify_index()
            assert all(
                len(again.workspace.blobs.get(bytes.fromhex(asset.sha256))) == asset.bytes for asset in again.list()
            )
    assert counts == sorted(counts)
    assert counts[0] >= 6


def test_a_damaged_picture_is_found_and_leaves_no_backup(copied: opsin.Library, tmp_path: Path) -> None:
    blob = next(path for path in (copied.path / "blobs").rglob("*") if path.is_file())
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Damaged, match="opsin doctor"):
        list(back_up(copied.path, tmp_path / "backup"))
    blob.unlink()
    with pytest.raises(Damaged, match="missing"):
        list(back_up(copied.path, tmp_path / "backup.tar"))
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "backup.tar").exists()
    assert no_leftovers(tmp_path)


def test_a_backup_that_was_stopped_leaves_nothing(copied: opsin.Library, tmp_path: Path) -> None:
    steps = back_up(copied.path, tmp_path / "backup")
    next(steps)
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert not (tmp_path / "backup").exists()
    assert no_leftovers(tmp_path)


def test_a_changed_byte_in_a_backup_is_found_and_nothing_is_restored(copied: opsin.Library, tmp_path: Path) -> None:
    list(back_up(copied.path, tmp_path / "backup"))
    for victim in ("catalogue.sqlite", "opsin.toml", "vocabularies/everyday.toml"):
        path = tmp_path / "backup" / victim
        data = path.read_bytes()
        path.write_bytes(data[:100] + b"\x00" + data[101:])
        with pytest.raises(Damaged, match=victim):
            list(restore(tmp_path / "backup", tmp_path / "new"))
        path.write_bytes(data)
    assert not (tmp_path / "new").exists()
    assert no_leftovers(tmp_path)


def test_a_cut_tar_file_is_no_backup(copied: opsin.Library, tmp_path: Path) -> None:
    list(back_up(copied.path, tmp_path / "backup.tar"))
    data = (tmp_path / "backup.tar").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "cut.tar").write_bytes(data[: int(len(data) * share)])
        with pytest.raises((UsageError, Damaged)):
            list(restore(tmp_path / "cut.tar", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_backup_cannot_write_outside_the_new_library(copied: opsin.Library, tmp_path: Path) -> None:
    list(back_up(copied.path, tmp_path / "backup"))
    manifest = tmp_path / "backup" / "backup.json"
    listed = json.loads(manifest.read_text())
    (tmp_path / "backup" / "evil").write_bytes(b"x")
    for name in ("../evil", str(tmp_path / "evil")):
        listed["files"][0]["path"] = name
        manifest.write_text(json.dumps(listed))
        with pytest.raises(Damaged, match="outside"):
            list(restore(tmp_path / "backup", tmp_path / "new"))
    assert not (tmp_path / "evil").exists()


def test_a_backup_of_a_later_form_is_refused(copied: opsin.Library, tmp_path: Path) -> None:
    list(back_up(copied.path, tmp_path / "backup"))
    manifest = tmp_path / "backup" / "backup.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(LibraryError, match="99"):
        list(restore(tmp_path / "backup", tmp_path / "new"))


def test_nothing_that_is_there_is_written_over(copied: opsin.Library, tmp_path: Path, run: Callable[..., Any]) -> None:
    assert run("backup", copied.path, "--library", copied.path).status == 2
    list(back_up(copied.path, tmp_path / "backup"))
    ran = run("restore", tmp_path / "backup", "--library", copied.path)
    assert ran.status == 2
    assert "--library" in ran.err
    assert run("restore", copied.path, "--library", tmp_path / "new").status == 2
    assert run("backup", tmp_path / "other", "--library", tmp_path / "nothing").status == 4


def test_a_backup_lists_every_file_that_it_holds(copied: opsin.Library, tmp_path: Path) -> None:
    list(back_up(copied.path, tmp_path / "backup.tar"))
    with tarfile.open(tmp_path / "backup.tar") as tar:
        names = tar.getnames()
        stream = tar.extractfile("backup.json")
        assert stream is not None
        listed = json.load(stream)
    assert names == [*(entry["path"] for entry in listed["files"]), "backup.json"]
    assert len([name for name in names if name.startswith("blobs/")]) == 6
