"""Exports that are kept: whole or not there, for a while, over a killed process."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

import opsin
from opsin.errors import LibraryError, UsageError
from opsin.services.base.turns import Ended, Turn
from opsin.services.jobs import exports
from opsin.services.moving import exporting

GIVEN = b'{"vectors": "npy"}'


def turn(stop: threading.Event | None = None, job: str = "0199c0de-0000-7000-8000-000000000001") -> Turn:
    return Turn(job, stop or threading.Event())


def names(library: opsin.Library) -> list[str]:
    place = library.path / "exports"
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


def test_an_export_is_whole_or_not_there_and_is_not_written_twice(
    filled: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, stop = filled._workspace, threading.Event()
    stop.set()
    with pytest.raises(Ended):
        exports.write(workspace, GIVEN, turn(stop))
    assert names(filled) == []
    left = filled.path / "exports" / f".{turn().job}"
    left.mkdir(parents=True)  # by a process that was killed
    (left / "records.jsonl").write_text("half")
    made = exports.write(workspace, GIVEN, turn())
    assert ([each.name for each in made.files], made.assets, made.vectors) == (
        ["records.jsonl", "records.vectors.npy", "records.vectors.jsonl"],
        6,
        6,
    )
    assert names(filled) == [made.id]
    monkeypatch.setattr(exporting, "export", lambda *_, **__: pytest.fail("it is there"))
    assert exports.write(workspace, GIVEN, turn()) == made
    folder = filled.exports.file(made.id)[1].parent
    assert folder.stat().st_mode & 0o077 == 0, "nobody else on this machine reads it"


def test_what_is_old_or_was_left_unfinished_goes_at_the_next_start(filled: opsin.Library) -> None:
    made = exports.write(filled._workspace, b"{}", turn())
    place = filled.path / "exports"
    shutil.copytree(place / made.id, place / f".{made.id}")
    old = place / "0199c0de-0000-7000-8000-000000000002"
    shutil.copytree(place / made.id, old)
    (old / "export.json").write_text(
        (old / "export.json").read_text().replace(made.id, old.name).replace(made.created_at[:4], "2019")
    )
    assert [each.id for each in filled.exports.list()] == [made.id]
    with pytest.raises(UsageError):
        filled.exports.get(old.name)
    with filled.jobs.working():
        pass
    assert names(filled) == [made.id]


def test_a_full_disk_fails_the_job_and_leaves_nothing(filled: opsin.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "write_whole", full)
    with pytest.raises(LibraryError, match="No space left"):
        exports.write(filled._workspace, b"{}", turn())
    assert names(filled) == []


def test_a_backup_holds_no_export(filled: opsin.Library, tmp_path: Path) -> None:
    exports.write(filled._workspace, b"{}", turn())
    filled.back_up(tmp_path / "backup")
    assert not (tmp_path / "backup" / "exports").exists()
