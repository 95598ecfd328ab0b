"""What nothing names any more is taken away; what an upload is just about to name is not."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import opsin
from opsin.services.base.turns import Turn
from opsin.services.jobs import sweeping
from opsin.services.jobs.schedule import Schedule
from opsin.services.looking.analyse import digest
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED, GREEN, BLUE = (jpeg_bytes(make_picture(colour, "square", 96)) for colour in ("red", "green", "blue"))


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    return make_library(vocabularies=())


def swept(library: opsin.Library) -> tuple[int, int, int]:
    found = sweeping.sweep(library._workspace, Turn("one", threading.Event()))
    return found.contents, found.copies, found.exports


def copies(library: opsin.Library) -> set[str]:
    return {path.name for path in (library.path / "blobs").glob("*/*")}


def grow_old(library: opsin.Library) -> None:
    for path in (library.path / "blobs").glob("*/*"):
        os.utime(path, (time.time() - 7200,) * 2)


def test_a_copy_without_an_asset_goes_when_it_is_old_and_all_others_stay(library: opsin.Library) -> None:
    library.add(RED)
    (deleted,) = library.add(GREEN)
    library.delete(str(deleted.id))  # it can be brought back
    blobs = library._workspace.blobs
    blobs.put(digest(BLUE), BLUE)  # by a process that ended before its commit
    half = blobs.path(digest(RED)).with_name(f".{digest(RED).hex()}.0123abcd")
    half.write_bytes(b"half")
    assert swept(library) == (0, 0, 0)
    assert not sweeping.needed(library._workspace)
    grow_old(library)
    assert sweeping.needed(library._workspace)
    assert swept(library) == (0, 2, 0)
    assert copies(library) == {digest(RED).hex(), digest(GREEN).hex()}
    assert not sweeping.needed(library._workspace)


def test_what_another_picture_took_the_place_of_is_forgotten_and_its_copy_goes_later(library: opsin.Library) -> None:
    (first,) = library.add(Upload(RED, "hat.jpg"), public_id="hat")
    library.search("red", everything=True)
    library.preview(str(first.id), width=64)
    library.add(Upload(GREEN, "hat.jpg"), public_id="hat")
    beside = opsin.open(library.path, readonly=True)
    assert beside.index.status().indexed == 2
    grow_old(library)
    assert swept(library) == (1, 0, 0)
    status = library.index.status()
    assert (status.contents, status.vectors, status.indexed, library.index.verify()) == (1, 1, 1, [])
    assert beside.index.status().indexed == 1
    beside.close()
    assert not list((library.path / "previews").glob(f"*/*{digest(RED).hex()}*"))
    assert len(copies(library)) == 2, "a backup may be reading it"
    grow_old(library)
    assert swept(library) == (0, 1, 0)
    assert copies(library) == {digest(GREEN).hex()}
    (again,) = library.add(Upload(RED, "red.jpg"))
    assert (again.status, library.search("red", limit=1).hits[0].asset.id) == ("added", again.id)


def test_a_preview_that_was_being_made_while_its_picture_was_erased_goes(library: opsin.Library) -> None:
    (kept,), (gone,) = library.add(RED), library.add(GREEN)
    assert kept.id is not None
    assert gone.id is not None
    for picture in (kept, gone):
        library.preview(str(picture.id), width=64)
    late = {path: path.read_bytes() for path in (library.path / "previews").glob(f"*/{digest(GREEN).hex()}-*")}
    library.delete(gone.id, at_once=True)
    assert not sweeping.needed(library._workspace)
    for path, data in late.items():
        path.write_bytes(data)
    killed = next(iter(late)).with_name(f".{digest(RED).hex()}-64.webp.0123abcd")
    killed.write_bytes(b"half")
    os.utime(killed, (time.time() - 7200,) * 2)
    assert sweeping.needed(library._workspace)
    found = sweeping.sweep(library._workspace, Turn("one", threading.Event()))
    assert (found.previews, found.copies) == (2, 0)
    assert [path.name for path in (library.path / "previews").glob("*/*")] == [f"{digest(RED).hex()}-64.webp"]


@pytest.mark.parametrize("known", [False, True])
def test_an_upload_that_is_under_way_loses_nothing(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Its copy is made durable before the commit that names it; in between, a sweep takes it for left over."""
    if known:  # its content is here, and nobody has it any more
        library.add(Upload(RED, "hat.jpg"), public_id="hat")
        library.add(Upload(GREEN, "hat.jpg"), public_id="hat")
    from opsin.services.assets import ingest

    write: Any = vars(ingest)["write"]

    def late(*given: Any) -> Any:
        before = len(copies(library))
        for _ in range(2):
            grow_old(library)
            swept(library)
        assert len(copies(library)) == before - 1, "it was taken"
        return write(*given)

    monkeypatch.setattr("opsin.services.assets.ingest.write", late)
    (added,) = library.add(Upload(RED, "red.jpg"))
    assert added.asset is not None
    assert library.original(added.asset.id) == RED
    assert library.search("red", limit=1).hits[0].asset.id == added.asset.id


def test_uploads_and_sweeps_at_once_leave_every_picture_readable(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    # whatever is there is old, but what is being written: that no process of today's is taken for a killed one is what
    # the grace is for
    monkeypatch.setattr(sweeping, "_is_old", lambda path: not path.name.startswith("."))
    pictures = [jpeg_bytes(make_picture("red", "ring", 64 + number)) for number in range(12)]
    over = threading.Event()

    def sweep() -> int:
        count = 0
        while not over.is_set():
            count += swept(library)[1]
        return count

    with ThreadPoolExecutor(5) as others:
        sweeper = others.submit(sweep)
        try:
            adding = [others.submit(library.add, *map(Upload, pictures[number::4])) for number in range(4)]
            added = [each for future in adding for each in future.result()]
        finally:
            over.set()
        sweeper.result()
    assert {each.status for each in added} == {"added"}
    assert sorted(library.original(str(each.id)) for each in added) == sorted(pictures)


def test_a_service_sweeps_from_time_to_time(library: opsin.Library, tmp_path: Path) -> None:
    library._workspace.blobs.put(digest(BLUE), BLUE)
    grow_old(library)
    now = [0.0]
    schedule = Schedule(library._workspace, lambda: now[0])
    now[0] = 60.0
    schedule.round()
    (job,) = library.jobs.list(kind="sweep")
    with library.jobs.working():
        assert library.jobs.wait(job.id, 30).result == {"contents": 0, "copies": 1, "previews": 0, "exports": 0}
