"""`opsin backup` and `opsin restore`: hot, verified, and whole or not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import opsin
from opsin.errors import Damaged, LibraryError, UsageError
from opsin.services.keeping.backup import Step, back_up, restore
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
        assert not again.index.verify()
        assert again.preview("red-circle.jpg")[:4] == b"RIFF"
    assert not {"keys.json", "key-uses.json", "admin.key"} & {path.name for path in (tmp_path / "new").iterdir()}
    assert not opsin.keys(tmp_path / "new").list()
    shutil.copy(copied.path / "keys.json", tmp_path / "new")
    assert opsin.keys(tmp_path / "new").find((copied.path / "admin.key").read_text().strip())
    with opsin.open(tmp_path / "new") as again:
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
            copied.back_up(tmp_path / f"backup{number}")
    finally:
        stop.set()
        adding.join()
    counts = []
    for number in range(3):
        with opsin.restore(tmp_path / f"backup{number}", tmp_path / f"new{number}") as again:
            counts.append(again.count())
            assert not again.index.verify()
            assert all(
                len(again._workspace.blobs.get(bytes.fromhex(asset.sha256))) == asset.bytes for asset in again.list()
            )
    assert counts == sorted(counts)
    assert counts[0] >= 6


def test_a_damaged_picture_is_found_and_leaves_no_backup(copied: opsin.Library, tmp_path: Path) -> None:
    blob = next(path for path in (copied.path / "blobs").rglob("*") if path.is_file())
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Damaged, match="opsin doctor"):
        back_up(copied.path, tmp_path / "backup")
    blob.unlink()
    with pytest.raises(Damaged, match="missing"):
        back_up(copied.path, tmp_path / "backup.tar")
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "backup.tar").exists()
    assert no_leftovers(tmp_path)


def interrupted(_: Step) -> None:
    raise KeyboardInterrupt


def test_the_plain_call_makes_the_backup_and_says_what_is_in_it(copied: opsin.Library, tmp_path: Path) -> None:
    steps: list[Step] = []
    made = copied.back_up(tmp_path / "backup", progress=steps.append)
    assert made.path == str(tmp_path / "backup")
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file() and path.name != "backup.json"]
    assert (made.files, made.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert steps[-1].files == steps[-1].total == made.files
    opsin.back_up(tmp_path / "another", copied.path)
    assert (tmp_path / "another" / "backup.json").exists()


def test_a_backup_and_what_is_restored_of_it_are_their_owners_alone(copied: opsin.Library, tmp_path: Path) -> None:
    for name, mode in (("folder", 0o700), ("file.tar", 0o600)):
        copied.back_up(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == mode
    opsin.restore(tmp_path / "folder", tmp_path / "again")
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700


def test_a_backup_that_was_stopped_leaves_nothing(copied: opsin.Library, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        back_up(copied.path, tmp_path / "backup", interrupted)
    assert not (tmp_path / "backup").exists()
    assert no_leftovers(tmp_path)


def test_a_changed_byte_in_a_backup_is_found_and_nothing_is_restored(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup")
    for victim in ("catalogue.sqlite", "opsin.toml", "vocabularies/everyday.toml"):
        path = tmp_path / "backup" / victim
        data = path.read_bytes()
        path.write_bytes(data[:100] + b"\x00" + data[101:])
        with pytest.raises(Damaged, match=victim):
            restore(tmp_path / "backup", tmp_path / "new")
        path.write_bytes(data)
    assert not (tmp_path / "new").exists()
    assert no_leftovers(tmp_path)


def test_a_cut_tar_file_is_no_backup(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup.tar")
    data = (tmp_path / "backup.tar").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "cut.tar").write_bytes(data[: int(len(data) * share)])
        with pytest.raises((UsageError, Damaged)):
            restore(tmp_path / "cut.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def change_list(backup: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the list of a backup that is a folder."""
    manifest = backup / "backup.json"
    listed = json.loads(manifest.read_text())
    change(listed)
    manifest.write_text(json.dumps(listed))


@pytest.mark.parametrize("name", ["../evil", "/evil", "a\0b", "", ".", "vocabularies/../evil.toml", "x" * 5000])
def test_a_backup_cannot_write_outside_the_new_library(copied: opsin.Library, tmp_path: Path, name: str) -> None:
    back_up(copied.path, tmp_path / "backup")
    (tmp_path / "backup" / "evil").write_bytes(b"x")
    change_list(tmp_path / "backup", lambda listed: listed["files"][0].update(path=name))
    with pytest.raises(Damaged, match="outside"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "new").exists()


def without(listed: dict[str, Any], name: str) -> None:
    listed["files"] = [entry for entry in listed["files"] if not entry["path"].startswith(name)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda listed: without(listed, "catalogue.sqlite"), "lacks catalogue.sqlite"),
        (lambda listed: without(listed, "blobs/"), "names the copied picture"),
        (lambda listed: listed["files"].append(listed["files"][-1]), "twice"),
        (lambda listed: listed["files"][-1].update(sha256="0" * 64), "the digest of other bytes"),
        (lambda listed: listed.pop("files"), "missing required field"),
    ],
)
def test_a_backup_whose_list_is_not_that_of_a_whole_library_is_refused(
    copied: opsin.Library, tmp_path: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    back_up(copied.path, tmp_path / "backup")
    change_list(tmp_path / "backup", change)
    with pytest.raises(Damaged, match=reason):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert no_leftovers(tmp_path)


def test_a_picture_that_is_cut_short_is_found_before_anything_is_written(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup")
    blob = next(path for path in (tmp_path / "backup" / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(blob.read_bytes()[:-1])
    before = set(tmp_path.iterdir())
    with pytest.raises(Damaged, match="bytes, not the"):
        restore(tmp_path / "backup", tmp_path / "new", interrupted)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("victim", ["opsin.toml", "blobs", "backup.json"])
def test_a_link_in_a_backup_is_not_followed(copied: opsin.Library, tmp_path: Path, victim: str) -> None:
    back_up(copied.path, tmp_path / "backup")
    path = tmp_path / "backup" / victim
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises((Damaged, UsageError)):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_link_in_a_tar_file_is_not_followed(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as tar, tarfile.open(tmp_path / "linked.tar", "w") as made:
        for member in tar:
            if member.name == "opsin.toml":
                link = tarfile.TarInfo(member.name)
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                made.addfile(link)
            else:
                made.addfile(member, tar.extractfile(member))
    with pytest.raises(Damaged, match=r"opsin\.toml is missing, cut short, or a link"):
        restore(tmp_path / "linked.tar", tmp_path / "new")


@pytest.mark.parametrize("name", ["backup", "deep/er/backup.tar", "blobs/backup"])
def test_no_backup_is_written_into_the_library_itself(copied: opsin.Library, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(copied.path)
    for root in (copied.path, tmp_path / "link"):
        with pytest.raises(UsageError, match="inside the library"):
            back_up(copied.path, root / name)
    assert not list(copied.path.rglob("*backup*"))


def test_no_library_is_restored_into_its_own_backup(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup")
    with pytest.raises(UsageError, match="inside the backup"):
        restore(tmp_path / "backup", tmp_path / "backup" / "new")


KILLED = """
import os, sys
from pathlib import Path
from opsin.services.keeping.backup import restore
def die(step):
    if step.files == int(sys.argv[3]):
        os._exit(9)
restore(Path(sys.argv[1]), Path(sys.argv[2]), die)
"""


@pytest.mark.parametrize("moment", [1, 5, 9])
def test_a_restore_that_is_killed_leaves_no_library_and_can_be_done_again(
    copied: opsin.Library, tmp_path: Path, moment: int
) -> None:
    back_up(copied.path, tmp_path / "backup")
    (tmp_path / "new").mkdir()
    command = [sys.executable, "-c", KILLED, str(tmp_path / "backup"), str(tmp_path / "new"), str(moment)]
    assert subprocess.run(command, check=False).returncode == 9
    assert not list((tmp_path / "new").iterdir())
    with opsin.restore(tmp_path / "backup", tmp_path / "new") as again:
        assert again.count() == 6


def test_a_backup_of_a_later_form_is_refused(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup")
    manifest = tmp_path / "backup" / "backup.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(LibraryError, match="99"):
        restore(tmp_path / "backup", tmp_path / "new")


def test_nothing_that_is_there_is_written_over(copied: opsin.Library, tmp_path: Path, run: Callable[..., Any]) -> None:
    assert run("backup", copied.path, "--library", copied.path).status == 2
    back_up(copied.path, tmp_path / "backup")
    ran = run("restore", tmp_path / "backup", "--library", copied.path)
    assert ran.status == 2
    assert "--library" in ran.err
    assert run("restore", copied.path, "--library", tmp_path / "new").status == 2
    assert run("backup", tmp_path / "other", "--library", tmp_path / "nothing").status == 4


def test_a_backup_lists_every_file_that_it_holds(copied: opsin.Library, tmp_path: Path) -> None:
    back_up(copied.path, tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as tar:
        names = tar.getnames()
        stream = tar.extractfile("backup.json")
        assert stream is not None
        listed = json.load(stream)
    assert names == [*(entry["path"] for entry in listed["files"]), "backup.json"]
    assert len([name for name in names if name.startswith("blobs/")]) == 6
