"""What a service does from time to time: only where it is needed, once, and less often where it is in vain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, update

import opsin
from opsin.catalogue import erasing
from opsin.catalogue.tables import report
from opsin.services.jobs.schedule import Schedule
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))
SETTINGS = "[assets]\nundo = 0.001\n[schedule]\nerase = 100\nsnapshot = 100\nheal = 100\n"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(make_library: MakeLibrary) -> Iterator[opsin.Library]:
    library = make_library(settings=SETTINGS, vocabularies=())
    with library.jobs.working():
        yield library


def done(library: opsin.Library) -> list[str]:
    """Return the kinds of all jobs, when all are over, and forget none."""
    for job in library.jobs.list():
        assert library.jobs.wait(job.id, 30).state == "done"
    return [job.kind for job in library.jobs.list()]


def test_nothing_is_asked_for_where_nothing_is_needed(library: opsin.Library, clock: Clock) -> None:
    schedule = Schedule(library._workspace, clock)
    assert schedule.round() == 60
    clock.now = 60
    assert schedule.round() == 100
    assert done(library) == []


def test_what_came_is_written_to_the_index_once(library: opsin.Library, clock: Clock) -> None:
    schedule = Schedule(library._workspace, clock)
    library.add(RED)
    for clock.now in (60, 300, 600):
        schedule.round()
        assert done(library) == ["snapshot"]
    assert library._workspace.index.mark == 1


def test_what_was_deleted_is_erased_when_it_cannot_be_undone_any_more(library: opsin.Library, clock: Clock) -> None:
    schedule = Schedule(library._workspace, clock)
    (added,) = library.add(RED)
    assert added.asset is not None
    library._workspace.indexed.snapshot()
    with library._workspace.catalogue.write() as connection:
        row = erasing.hidden_until(connection, "9999", 1)
        assert not row
        erasing.hide(connection, 1, "2020-01-01T00:00:00.000Z")
    clock.now = 60
    schedule.round()
    assert done(library) == ["erase"]
    assert library.jobs.list()[0].result == {"erased": 1}
    assert not list((library.path / "blobs").glob("*/*"))


def test_failed_reports_are_asked_for_again(library: opsin.Library, clock: Clock) -> None:
    schedule = Schedule(library._workspace, clock)
    library.add(RED)
    library._workspace.indexed.snapshot()
    with library._workspace.catalogue.write() as connection:
        connection.execute(delete(report))
    clock.now = 60
    schedule.round()
    assert done(library) == ["reanalyse"]
    result = library.jobs.list()[0].result
    assert result is not None
    assert (result["contents"], result["problems"]) == (1, 0)
    clock.now = 1000
    schedule.round()
    assert done(library) == ["reanalyse"]


def test_reports_of_another_revision_are_asked_for_again_and_after_that_no_more(
    library: opsin.Library, clock: Clock
) -> None:
    schedule = Schedule(library._workspace, clock)
    library.add(RED)
    library._workspace.indexed.snapshot()
    with library._workspace.catalogue.write() as connection:
        connection.execute(update(report).where(report.c.categorizer == "quality").values(revision="of last year"))
    for clock.now in (60, 1000):
        schedule.round()
        assert done(library) == ["reanalyse"]
    assert "of last year" not in [each.revision for each in library.reports(next(library.list()).id)]


def test_what_was_asked_in_vain_is_tried_less_and_less_often_but_what_is_new_at_once(
    library: opsin.Library, clock: Clock, tmp_path: Path
) -> None:
    schedule = Schedule(library._workspace, clock)
    gone = tmp_path / "gone.jpg"
    gone.write_bytes(jpeg_bytes(make_picture("blue", "square", 96)))
    library.add(gone)
    gone.unlink()  # no plugin can look at it again
    library._workspace.indexed.snapshot()
    with library._workspace.catalogue.write() as connection:
        connection.execute(delete(report))
    asked: list[float] = []
    for clock.now in range(100, 2000, 100):
        schedule.round()
        asked += [clock.now] * (len(done(library)) - len(asked))
    assert asked == [100, 200, 400, 800, 1600]
    library.add(RED)
    library._workspace.indexed.snapshot()
    with library._workspace.catalogue.write() as connection:
        connection.execute(delete(report))
    clock.now = 2000
    schedule.round()
    assert len(done(library)) == 6


def test_a_categorizer_that_is_out_of_use_is_not_asked_until_it_is_tried_again(
    library: opsin.Library, clock: Clock
) -> None:
    (lane,) = [lane for lane in library._workspace.host._roster.lanes if lane.name == "quality"]
    library.add(RED)
    library._workspace.indexed.snapshot()
    with library._workspace.catalogue.write() as connection:
        connection.execute(delete(report).where(report.c.categorizer == "quality"))
    lane.health.quarantine("it hung")
    schedule = Schedule(library._workspace, clock)
    clock.now = 100
    schedule.round()
    assert done(library) == []
    lane.health.revival = 0.0
    clock.now = 200
    schedule.round()
    assert done(library) == ["reanalyse"]
    assert [each.status for each in library.reports(next(library.list()).id) if each.categorizer == "quality"] == ["ok"]
