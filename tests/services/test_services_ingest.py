"""Many callers at once: pictures are prepared together and committed together, and each caller gets its own answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import opsin
from opsin.errors import LibraryError
from opsin.services.looking.analyse import digest
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_noise, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary


def noise(number: int) -> bytes:
    return jpeg_bytes(make_noise(number, 48))


def names(added: list[opsin.library.Added]) -> list[str]:
    return [each.source for each in added]


class Held:
    """Stands before one step of the library until it is let go, unless it is given ``free``; notes what it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: str, *, free: bytes = b"") -> None:
        self.go = threading.Event()
        self.came = threading.Semaphore(0)
        self.calls: list[tuple[Any, ...]] = []
        module, _, name = place.rpartition(".")
        step: Callable[..., Any] = getattr(__import__(module, fromlist=[name]), name)

        def held(*given: Any) -> Any:
            self.calls.append(given)
            self.came.release()
            if free not in given:
                self.go.wait()
            return step(*given)

        monkeypatch.setattr(place, held)


@pytest.fixture
def loaded(make_library: MakeLibrary) -> opsin.Library:
    """Return a library with one picture, and with nothing that takes long to load."""
    off = "".join(f"\n[plugins.{name}]\nenabled = false\n" for name in ("objects", "colors", "quality"))
    library = make_library(settings=off, vocabularies=())
    library.add(noise(0))
    return library


def test_callers_at_once_get_their_own_answers_in_their_own_order_and_share_commits(
    loaded: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "opsin.services.assets.ingest.write")
    with ThreadPoolExecutor(8) as callers:
        first = callers.submit(loaded.add, Upload(noise(1), "first.jpg"))
        held.came.acquire()
        sent = [[Upload(noise(100 + 10 * n + m), f"{n}-{m}.jpg") for m in range(6)] for n in range(4)]
        futures = [callers.submit(loaded.add, *each, owner=f"caller {n}") for n, each in enumerate(sent)]
        while loaded.status().ingest.committing < 24:
            pass
        held.go.set()
        results = [future.result() for future in futures]
    assert names(first.result()) == ["first.jpg"]
    for number, added in enumerate(results):
        assert names(added) == [upload.name for upload in sent[number]]
        assert {each.asset.owner for each in added if each.asset} == {f"caller {number}"}
    assert len(held.calls) == 2, "four callers with 24 pictures share one commit"
    assert loaded.count() == 26


def test_the_same_picture_from_several_callers_is_analysed_once(
    loaded: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "opsin.services.assets.ingest.analyse")
    data = noise(2)
    with ThreadPoolExecutor(4) as callers:
        futures = [callers.submit(loaded.add, Upload(data, f"{number}.jpg")) for number in range(3)]
        looking = callers.submit(lambda: list(loaded.analyse(data)))
        while loaded.status().ingest.preparing < 4:
            pass
        held.go.set()
        assert sorted(future.result()[0].status for future in futures) == ["added", "known", "known"]
        assert looking.result()[0].status == "seen"
    assert len(held.calls) == 1


def test_a_caller_that_does_not_take_its_answers_keeps_nobody_waiting(loaded: opsin.Library) -> None:
    slow = loaded.add_each(*(Upload(noise(200 + number), f"slow-{number}.jpg") for number in range(300)))
    next(slow)
    assert [each.status for each in loaded.add(*(noise(600 + number) for number in range(5)))] == ["added"] * 5
    assert loaded.count() < 120, "what nobody asks for is not all taken in ahead"
    slow.close()  # type: ignore[attr-defined]  # it is a generator


def test_what_a_vanished_caller_left_is_cancelled(loaded: opsin.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch, "opsin.services.assets.ingest.analyse", free=noise(300))
    walking = loaded.add_each(*(Upload(noise(300 + number), f"{number}.jpg") for number in range(80)))
    next(walking)
    walking.close()  # type: ignore[attr-defined]  # it is a generator
    held.go.set()
    assert [each.status for each in loaded.add(noise(400))] == ["added"]
    assert loaded.status().ingest.waiting == 0
    assert len(held.calls) < 80, "what had not begun did not begin"
    assert loaded.count() == 3


def test_a_commit_that_fails_for_one_caller_is_done_again_without_it(
    loaded: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "opsin.services.assets.ingest.write")
    bad = digest(noise(3))
    add = opsin.catalogue.contents.add

    def failing(connection: Any, found: Any) -> Any:
        if any(content.sha256 == bad for content in found):
            raise LibraryError("the disk is full")
        return add(connection, found)

    monkeypatch.setattr("opsin.catalogue.contents.add", failing)
    with ThreadPoolExecutor(3) as callers:
        first = callers.submit(loaded.add, noise(4))
        held.came.acquire()
        good, unlucky = callers.submit(loaded.add, noise(5), noise(6)), callers.submit(loaded.add, noise(3), noise(7))
        while loaded.status().ingest.committing < 4:
            pass
        held.go.set()
        assert [each.status for each in (*first.result(), *good.result())] == ["added"] * 3
        with pytest.raises(LibraryError, match="disk is full"):
            unlucky.result()
    assert [each.status for each in loaded.add(noise(7))] == ["added"], "nothing behind what failed was stored"


def test_a_copy_that_cannot_be_written_ends_its_own_call_only(loaded: opsin.Library, tmp_path: Path) -> None:
    data = jpeg_bytes(make_picture("red", "ring", 64))
    place = loaded.path / "blobs" / digest(data).hex()[:2]
    place.rmdir() if place.exists() else None
    place.write_text("in the way")
    with ThreadPoolExecutor(2) as callers:
        failing = callers.submit(loaded.add, data)
        others = callers.submit(loaded.add, noise(8))
        assert others.result()[0].status == "added"
        with pytest.raises(LibraryError, match="cannot store a copy"):
            failing.result()


def test_closing_tells_those_who_wait_and_leaves_no_thread(
    loaded: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "opsin.services.assets.ingest.analyse")
    with ThreadPoolExecutor(2) as callers:
        waiting = callers.submit(loaded.add, noise(9))
        held.came.acquire()
        closing = callers.submit(loaded.close)
        with pytest.raises(LibraryError, match="closed"):
            waiting.result()
        held.go.set()
        closing.result()
    assert not [each.name for each in threading.enumerate() if each.name.startswith(("opsin-prepare", "opsin-commit"))]
