"""Jobs: done in their turn, shown while they run, cancelled, taken up after the process ended, and told of when they are over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import opsin
from opsin.catalogue import jobs as stored
from opsin.catalogue import outbox
from opsin.catalogue.blobs import Blobs
from opsin.catalogue.ids import now
from opsin.errors import Overloaded, UnknownName, Unwritable, UsageError
from opsin.services.base.turns import Ended, Turn
from opsin.services.base.workspace import Workspace
from opsin.services.jobs import jobs
from opsin.services.jobs.job_kinds import KINDS, Kind
from opsin.services.jobs.working import Working
from opsin.services.looking.given import Upload
from opsin.testing import FakeEncoder, jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

PATIENCE = 30.0
Kinds = Mapping[str, Kind]


class Steps:
    """A kind of job that goes on by one piece each time a test lets it."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.reached = threading.Semaphore(0)

    def __call__(self, workspace: Workspace, given: bytes, turn: Turn) -> dict[str, Any]:
        turn.expect(int(msgspec.json.decode(given)["pieces"]))
        for _ in range(turn.total or 0):
            self.reached.release()
            assert self.go.acquire(timeout=PATIENCE)
            turn.step()
        return {"pieces": turn.done}

    def wait_until_begun(self) -> None:
        assert self.reached.acquire(timeout=PATIENCE)


def _refuses(workspace: Workspace, given: bytes, turn: Turn) -> None:
    raise UsageError("it makes no sense: say something else")


def _breaks(workspace: Workspace, given: bytes, turn: Turn) -> None:
    raise ZeroDivisionError("nobody foresaw this")


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    return make_library(vocabularies=())


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def kinds(steps: Steps) -> Kinds:
    return {"steps": Kind(steps), "refuses": Kind(_refuses), "breaks": Kind(_breaks), "quick": Kind(_quick, "soon")}


def _quick(workspace: Workspace, given: bytes, turn: Turn) -> dict[str, str]:
    return {"said": "done"}


def working(library: opsin.Library, kinds: Kinds) -> Working:
    return Working(library._workspace, kinds)


def start(library: opsin.Library, kind: str, pieces: int = 2) -> jobs.Job:
    return jobs.start(library._workspace, kind, {"pieces": pieces})


def over(library: opsin.Library, job: jobs.Job) -> jobs.Job:
    found = library.jobs.wait(job.id, PATIENCE)
    assert found.over, found
    return found


def test_a_job_is_shown_as_it_goes_on_and_keeps_what_came_of_it(
    library: opsin.Library, kinds: Kinds, steps: Steps
) -> None:
    job = start(library, "steps")
    assert (job.state, job.done, job.total, job.over) == ("queued", 0, None, False)
    with working(library, kinds):
        steps.wait_until_begun()
        steps.go.release()
        steps.wait_until_begun()
        found = library.jobs.get(job.id)
        assert (found.state, found.done, found.total, found.over) == ("running", 1, 2, False)
        steps.go.release()
        ended = over(library, job)
    assert (ended.state, ended.done, ended.total, ended.result) == ("done", 2, 2, {"pieces": 2})
    assert ended.started_at
    assert ended.finished_at
    assert library.jobs.get(job.id) == ended


def test_a_job_that_is_refused_or_breaks_says_why_and_ends_no_other(
    library: opsin.Library, kinds: Kinds, caplog: pytest.LogCaptureFixture
) -> None:
    made = [start(library, kind) for kind in ("refuses", "breaks", "quick")]
    with working(library, kinds):
        refused, broken, quick = (over(library, job) for job in made)
    assert (refused.state, broken.state, quick.state) == ("failed", "failed", "done")
    assert refused.problem is not None
    assert broken.problem is not None
    assert refused.problem.message == "it makes no sense: say something else"
    assert "nobody foresaw" not in broken.problem.message
    assert any("nobody foresaw this" in str(record.exc_info) for record in caplog.records)


def test_what_somebody_waits_for_is_not_behind_what_takes_long(
    library: opsin.Library, kinds: Kinds, steps: Steps
) -> None:
    with working(library, kinds):
        long = start(library, "steps", 1)
        steps.wait_until_begun()
        assert over(library, start(library, "quick")).result == {"said": "done"}
        assert not library.jobs.get(long.id).over
        steps.go.release()
        over(library, long)


def test_a_job_is_cancelled_before_it_begins_and_after_the_piece_in_hand(
    library: opsin.Library, kinds: Kinds, steps: Steps
) -> None:
    waiting, running = start(library, "steps"), start(library, "steps")
    assert library.jobs.cancel(waiting.id).state == "cancelled"
    with working(library, kinds):
        steps.wait_until_begun()
        assert library.jobs.cancel(running.id).state == "running"
        steps.go.release()
        ended = over(library, running)
    assert (ended.state, ended.done) == ("cancelled", 1)
    assert library.jobs.cancel(running.id) == ended  # again changes nothing
    assert library.jobs.get(waiting.id).started_at is None


def test_what_is_under_way_when_the_service_stops_goes_on_when_it_starts_again(
    library: opsin.Library, kinds: Kinds, steps: Steps
) -> None:
    job = start(library, "steps", 2)
    with working(library, kinds) as worker:
        steps.wait_until_begun()
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        until_told(worker)
        steps.go.release()
        stopping.join(PATIENCE)
    left = library.jobs.get(job.id)
    assert (left.state, left.done) == ("queued", 1)
    with working(library, kinds):
        steps.go.release(2)
        assert over(library, job).state == "done"


def test_pictures_that_were_taken_in_wait_for_room_on_the_disk(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsin.services.jobs.working._PAUSE", 0.01)
    put, full = Blobs.put, threading.Event()
    full.set()
    waited = threading.Semaphore(0)

    def on_a_full_disk(blobs: Blobs, sha256: bytes, data: bytes) -> bool:
        if not full.is_set():
            return put(blobs, sha256, data)
        waited.release()
        raise Unwritable("the disk is full")

    monkeypatch.setattr(Blobs, "put", on_a_full_disk)
    picture = Upload(jpeg_bytes(make_picture("red", "square", 64)), "red.jpg")
    added, cancelled = library.jobs.add(picture), library.jobs.add(picture)
    with library.jobs.working():
        assert all(waited.acquire(timeout=PATIENCE) for _ in range(4))
        library.jobs.cancel(cancelled.id)
        assert over(library, cancelled).state == "cancelled"
        assert library.jobs.get(added.id).state == "running"
        full.clear()
        ended = over(library, added)
    assert (ended.state, ended.done, ended.total) == ("done", 1, 1)
    assert library.count() == 1


def uploads(*colours: str) -> list[Upload]:
    return [Upload(jpeg_bytes(make_picture(colour, "square", 64)), f"{colour}.jpg") for colour in colours]


def test_pictures_that_were_taken_in_wait_for_the_encoder_or_until_they_are_cancelled(
    library: opsin.Library,
) -> None:
    health = library._workspace.ready().encoder._lane.health
    health.quarantine("it hung")
    health.revival = 1e12
    added, cancelled = library.jobs.add(*uploads("red", "blue")), library.jobs.add(*uploads("green"))
    with library.jobs.working():
        for job in (added, cancelled):
            while library.jobs.get(job.id).total is None:
                time.sleep(0.01)
        library.jobs.cancel(cancelled.id)
        assert over(library, cancelled).state == "cancelled"
        assert library.jobs.get(added.id).state == "running"
        health.revival = 0.0
    with library.jobs.working():
        ended = over(library, added)
    assert (ended.state, ended.done, ended.total) == ("done", 2, 2)
    assert library.count() == 2


def test_of_pictures_that_were_taken_in_only_that_is_refused_which_takes_the_encoder_out_of_use(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = library._workspace.ready().encoder._lane.health
    health._backoff, health._longest = 0.05, 0.1
    extract: Callable[[FakeEncoder, Any], Any] = FakeEncoder.extract

    def lying(encoder: FakeEncoder, frames: Any) -> Any:
        green = [frame.pixels[..., 1].mean() > frame.pixels[..., 0].mean() + 20 for frame in frames]
        return [] if any(green) else extract(encoder, frames)

    monkeypatch.setattr(FakeEncoder, "extract", lying)
    job = library.jobs.add(*uploads("green", "red", "blue", "purple"))
    with library.jobs.working():
        ended = over(library, job)
    assert (ended.state, ended.done) == ("done", 4)
    assert ended.result is not None
    assert [each["status"] for each in ended.result["results"]] == ["failed", "added", "added", "added"]


def until_told(worker: Working) -> None:
    assert worker._stop.wait(PATIENCE)


def _left_running(library: opsin.Library, job: jobs.Job, attempts: int) -> None:
    """Leave a job as a process does that is killed in the middle of it."""
    with library._workspace.catalogue.write() as connection:
        stored.change(connection, job.id, state="running", attempts=attempts)


def test_a_job_that_a_killed_process_had_in_hand_is_begun_again_but_not_for_ever(
    library: opsin.Library, kinds: Kinds
) -> None:
    once, often = start(library, "quick"), start(library, "quick")
    _left_running(library, once, attempts=1)
    _left_running(library, often, attempts=3)
    with working(library, kinds):
        assert over(library, once).state == "done"
        ended = over(library, often)
    assert ended.state == "failed"
    assert ended.problem is not None
    assert "ended 3 times" in ended.problem.message


def test_a_job_that_this_version_does_not_know_fails_and_says_so(library: opsin.Library, kinds: Kinds) -> None:
    job = start(library, "of_tomorrow")
    with working(library, kinds):
        ended = over(library, job)
    assert ended.problem is not None
    assert "'of_tomorrow'" in ended.problem.message


def test_jobs_are_listed_newest_first_by_state_and_kind_and_in_pages(library: opsin.Library, kinds: Kinds) -> None:
    made = [start(library, kind).id for kind in ("quick", "steps", "quick")]
    library.jobs.cancel(made[0])
    assert [job.id for job in library.jobs.list()] == made[::-1]
    assert [job.id for job in library.jobs.list(kind="quick")] == [made[2], made[0]]
    assert [job.id for job in library.jobs.list(state="cancelled")] == [made[0]]
    assert [job.id for job in library.jobs.list(limit=1, before=made[2])] == [made[1]]
    wrong: Any = "ended"
    with pytest.raises(UsageError, match="not 'ended'"):
        library.jobs.list(state=wrong)


@pytest.mark.parametrize("ask", ["get", "cancel", "wait"])
def test_a_job_that_there_is_not_is_an_unknown_name(library: opsin.Library, ask: str) -> None:
    call: Callable[[str], object] = getattr(library.jobs, ask)
    with pytest.raises(UnknownName, match="opsin jobs list"):
        call("nothing")


def test_jobs_that_ended_long_ago_are_forgotten_when_another_ends(library: opsin.Library, kinds: Kinds) -> None:
    old, recent, new = (start(library, "quick") for _ in range(3))
    for job, at in ((old, "2020-01-01T00:00:00.000Z"), (recent, now())):
        library.jobs.cancel(job.id)
        with library._workspace.catalogue.write() as connection:
            stored.change(connection, job.id, finished_at=at)
    with working(library, kinds):
        over(library, new)
    assert [job.id for job in library.jobs.list()] == [new.id, recent.id]


def test_webhooks_are_told_of_jobs_that_are_done_or_failed(library: opsin.Library, kinds: Kinds) -> None:
    library.webhooks.create("https://example.org/hook", ["job.*"])
    with working(library, kinds):
        done, failed = (over(library, start(library, kind)) for kind in ("quick", "refuses"))
    with library._workspace.catalogue.read() as connection:
        events = outbox.after(connection, 0, 10)
    told = [(each.kind, msgspec.json.decode(each.data)["job"]["id"], each.asset_row) for each in events]
    assert told == [("job.done", done.id, None), ("job.failed", failed.id, None)]


def test_reanalyse_as_a_job_does_what_the_call_does(make_library: MakeLibrary) -> None:
    library = make_library()
    library.add(opsin.testing.jpeg_bytes(opsin.testing.make_picture("red", "square", 96)))
    with pytest.raises(UsageError):
        library.jobs.reanalyse(where=["nonsense"])
    with library.jobs.working():
        ended = over(library, library.jobs.reanalyse())
    assert (ended.state, ended.done, ended.total) == ("done", 1, 1), ended
    assert ended.result is not None
    assert ended.result["contents"] == 1


def test_jobs_that_add_pictures_are_refused_where_too_many_wait(make_library: MakeLibrary) -> None:
    library = make_library(settings="[jobs]\nwaiting = 1\n", vocabularies=())
    picture = Upload(opsin.testing.jpeg_bytes(opsin.testing.make_picture("red", "square", 96)), "red.jpg")
    job = library.jobs.add(picture)
    staged = library.path / "staged"
    assert [folder.name for folder in staged.iterdir()] == [job.id]
    with pytest.raises(Overloaded, match=r"jobs\.waiting"):
        library.jobs.add(picture)
    assert library.jobs.cancel(job.id).state == "cancelled"
    assert not list(staged.iterdir())


def test_the_beginning_of_an_id_means_the_job_unless_it_is_that_of_several(library: opsin.Library) -> None:
    first, second = start(library, "quick"), start(library, "quick")
    assert library.jobs.get(first.id[:-1].upper()).id == first.id
    assert library.jobs.cancel(second.id[:-1]).id == second.id
    assert library.jobs.wait(second.id[:-1]).over
    with pytest.raises(UnknownName, match="may mean the jobs"):
        library.jobs.get(first.id[:8])
    for short in (first.id[:7], first.id[:8] + "%"):
        with pytest.raises(UnknownName, match="there is no job"):
            library.jobs.get(short)


def test_bytes_whose_process_ended_before_there_was_a_job_are_taken_away(library: opsin.Library, kinds: Kinds) -> None:
    left = library.path / "staged" / "01a20d9e-f4ab-7609-8228-6d8a010cbf07"
    left.mkdir(parents=True)
    (left / "0").write_bytes(b"half a picture")
    with working(library, kinds):
        assert not left.exists()


def test_one_job_is_done_once_however_many_threads_there_are(library: opsin.Library) -> None:
    done: list[str] = []

    def note(workspace: Workspace, given: bytes, turn: Turn) -> None:
        done.append(turn.job)

    made = [start(library, "note").id for _ in range(20)]
    with working(library, {"note": Kind(note, "soon")}):
        for identity in made:
            assert library.jobs.wait(identity, PATIENCE).state == "done"
    assert sorted(done) == made


def test_scoring_again_that_was_stopped_in_the_middle_goes_on_from_there(
    make_library: MakeLibrary, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_library(settings="\n[plugins.objects]\nenabled = false\n")
    library.add(photos)
    library.vocabularies.edit_label("everyday", "dog", prompts=["red square"], threshold={"default": -5.0})
    monkeypatch.setattr("opsin.services.assets.reanalyse._PAGE", 2)
    work, given, stop = KINDS["rescore"].work, b'{"vocabulary": "everyday"}', threading.Event()
    begun, again = Turn("one", stop), Turn("one", threading.Event())
    step = begun.step

    def stopped(pieces: int = 1) -> None:
        step(pieces)
        if begun.done == 2:
            stop.set()

    monkeypatch.setattr(begun, "step", stopped)
    with pytest.raises(Ended):
        work(library._workspace, given, begun)
    work(library._workspace, given, again)
    assert again.done == 2, "two pages of two were stored before"
    assert library.count(where=["tag=dog"]) == 6
    assert len(library.vocabularies.plan_rescore("everyday")) == 0
