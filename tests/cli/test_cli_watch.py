"""`opsin watch`: each event once, files only when they are written, and a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import opsin
from opsin.errors import LibraryError, UsageError
from opsin.testing import jpeg_bytes, make_picture

PATIENCE = 60.0


class Watching:
    """A watch in a thread; ``until`` waits for events."""

    def __init__(self, library: opsin.Library, *folders: Path, settle: float = 0.2) -> None:
        self.events: list[tuple[str, str]] = []
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._run = library.watch(*folders, interval=0.05, settle=settle, tags=["seen"], stop=self._stop)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        for event in self._run:
            with self._changed:
                self.events.append((event.event, Path(event.location).name))
                self._changed.notify_all()

    def until(self, *events: tuple[str, str]) -> None:
        with self._changed:
            there = self._changed.wait_for(lambda: set(events) <= set(self.events), timeout=PATIENCE)
        assert there, self.events

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def watching(home: Path, photos: Path) -> Iterator[tuple[opsin.Library, Watching]]:
    with opsin.open(home) as library:
        watch = Watching(library, photos)
        try:
            yield library, watch
        finally:
            watch.end()


def test_what_appears_changes_moves_and_vanishes_is_told_once(
    watching: tuple[opsin.Library, Watching], photos: Path
) -> None:
    library, watch = watching
    (photos / "new.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 96)))
    (photos / "sub").mkdir()
    (photos / "sub" / "deep.jpg").write_bytes(jpeg_bytes(make_picture("red", "cross", 96)))
    watch.until(("added", "new.jpg"), ("added", "deep.jpg"))
    (photos / "new.jpg").write_bytes(jpeg_bytes(make_picture("green", "ring", 90)))
    (photos / "sub" / "deep.jpg").rename(photos / "moved.jpg")
    (photos / "red-circle.jpg").unlink()
    watch.until(("changed", "new.jpg"), ("moved", "moved.jpg"), ("vanished", "red-circle.jpg"))
    assert len(watch.events) == 5
    assert library.count() == 7
    assert "seen" in [tag.label for tag in library.get("new.jpg").tags]


def test_a_file_is_added_only_when_it_is_written_completely(home: Path, photos: Path) -> None:
    data = jpeg_bytes(make_picture("blue", "ring", 200))
    with opsin.open(home) as library:
        watch = Watching(library, photos, settle=1.0)
        with (photos / "slow.jpg").open("wb") as file:
            for start in range(0, len(data), len(data) // 5):
                file.write(data[start : start + len(data) // 5])
                file.flush()
                time.sleep(0.15)
        watch.until(("added", "slow.jpg"))
        watch.end()
    assert watch.events == [("added", "slow.jpg")]


def test_a_refused_file_is_told_once_and_tried_again_when_it_changes(
    watching: tuple[opsin.Library, Watching], photos: Path
) -> None:
    _, watch = watching
    (photos / "bad.jpg").write_bytes(b"this is no picture")
    watch.until(("refused", "bad.jpg"))
    (photos / "bad.jpg").write_bytes(jpeg_bytes(make_picture("red", "ring", 96)))
    watch.until(("added", "bad.jpg"))
    assert watch.events == [("refused", "bad.jpg"), ("added", "bad.jpg")]


def test_what_happened_before_is_taken_in_at_first(home: Path, photos: Path) -> None:
    (photos / "red-circle.jpg").unlink()
    (photos / "new.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 96)))
    with opsin.open(home) as library:
        watch = Watching(library, photos)
        watch.until(("added", "new.jpg"), ("vanished", "red-circle.jpg"))
        watch.end()


def test_a_folder_that_goes_away_takes_nothing_with_it(
    watching: tuple[opsin.Library, Watching], photos: Path, tmp_path: Path
) -> None:
    library, watch = watching
    photos.rename(tmp_path / "elsewhere")
    watch.until(("unreachable", "photos"))
    assert library.count() == 6
    (tmp_path / "elsewhere").rename(photos)
    (photos / "new.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 96)))
    watch.until(("added", "new.jpg"))
    assert watch.events == [("unreachable", "photos"), ("added", "new.jpg")]


def test_a_folder_within_that_is_empty_as_a_whole_is_told_once_and_takes_nothing_with_it(
    watching: tuple[opsin.Library, Watching], photos: Path
) -> None:
    library, watch = watching
    (photos / "mounted").mkdir()
    (photos / "mounted" / "ring.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 96)))
    watch.until(("added", "ring.jpg"))
    (photos / "mounted" / "ring.jpg").unlink()
    watch.until(("unreachable", "mounted"))
    (photos / "red-circle.jpg").unlink()
    watch.until(("vanished", "red-circle.jpg"))
    assert watch.events == [("added", "ring.jpg"), ("unreachable", "mounted"), ("vanished", "red-circle.jpg")]
    assert library.get("ring.jpg").vanished_at is None


def test_a_file_renamed_onto_another_moves_and_the_other_one_vanishes(
    watching: tuple[opsin.Library, Watching], photos: Path
) -> None:
    library, watch = watching
    moved = library.get("red-circle.jpg").id
    (photos / "red-circle.jpg").replace(photos / "blue-circle.jpg")
    watch.until(("moved", "blue-circle.jpg"), ("vanished", "blue-circle.jpg"))
    assert library.get("blue-circle.jpg").id == moved
    assert library.count() == 5


def test_what_cannot_be_watched_is_refused(home: Path, photos: Path, run: Callable[..., Any]) -> None:
    with opsin.open(home) as library:
        for folder in (home, photos / "red-circle.jpg", photos / "nothing"):
            with pytest.raises(UsageError):
                list(library.watch(folder))
        assert run("watch", photos).status == 4
    with opsin.open(home, readonly=True) as library, pytest.raises(LibraryError, match="reading only"):
        library.watch(photos)
    assert run("watch", photos / "nothing").status == 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_cleanly_and_what_was_added_stays(home: Path, photos: Path, how: signal.Signals) -> None:
    (photos / "new.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 96)))
    command = [sys.executable, "-c", "from opsin.cli import main; main()", "watch", str(photos), "--json"]
    environment = {**os.environ, "OPSIN_HOME": str(home)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert '"event":"added"' in process.stdout.readline()
        process.send_signal(how)
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    with opsin.open(home) as library:
        assert library.count() == 7
        assert not library.index.verify()
