"""`opsin jobs`: listed, shown, cancelled, and done by who waits for them where no service does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import opsin
from opsin.cli.failing import Failing
from opsin.cli.outcomes import outcome_of
from opsin.library import Job, Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_jobs_are_listed_shown_cancelled_and_done_by_who_waits(run: Run, home: Path) -> None:
    with opsin.open(home) as library:
        first, second = library.jobs.reanalyse(), library.jobs.reanalyse(missing=True)
    assert [each["id"] for each in run("jobs", "list", "--json", "-l", home).lines] == [second.id, first.id]
    assert "is cancelled" in run("jobs", "cancel", second.id, "-l", home).out
    waited = run("jobs", "wait", first.id, "--json", "-l", home)
    assert (waited.status, waited.lines[0]["state"]) == (0, "done")
    assert waited.lines[0]["result"]["contents"] == waited.lines[0]["total"] > 0
    assert run("jobs", "wait", second.id, "-l", home).status == 1
    assert "reanalyse" in run("jobs", "list", "--state", "done", "-l", home).out
    assert run("jobs", "show", "nothing", "-l", home).status == 2


def test_a_job_that_refused_pictures_says_which_and_ends_waiting_as_adding_them_ends(run: Run, home: Path) -> None:
    assert run("jobs", "list", "-l", home).err.startswith("No jobs.")
    with opsin.open(home) as library:
        texts = [Upload(b"no picture", f"text-{number}.txt") for number in range(11)]
        job = library.jobs.add(Upload(jpeg_bytes(make_picture("red", "ring", 96)), "new.jpg"), *texts, b"nameless")
    assert "No service works on the jobs of this library" in run("jobs", "list", "-l", home).err
    waited = run("jobs", "wait", job.id[:18], "-l", home)
    assert waited.status == 3
    assert f"{job.id} (add) is done, 13/13: 1 added, 12 refused" in waited.out
    assert "this command does until that one is over" in waited.err
    shown = run("jobs", "show", job.id, "-l", home)
    assert (shown.status, shown.out) == (0, waited.out)
    told = shown.err.splitlines()
    assert (told[0].partition(":")[0], len(told), told[-1][:10]) == ("text-0.txt", 11, "... and 2 ")
    (entry,) = run("jobs", "wait", job.id, "--json", "-l", home).lines
    assert "source" not in entry["result"]["results"][0], "of an asset only the id is kept"
    assert entry["result"]["results"][-1]["source"].startswith("data-")
    listed = run("jobs", "list", "-l", home)
    assert (listed.err, "12 refused" in listed.out, "No job fits." in run("jobs", "list", "--kind", "x").err) == (
        "",
        True,
        True,
    )


def test_a_job_that_could_not_have_a_picture_ends_waiting_with_3_and_one_in_which_a_plugin_failed_with_5(
    run: Run, home: Path, photos: Path
) -> None:
    (photos / "red-square.jpg").unlink()
    with opsin.open(home) as library:
        job = library.jobs.reanalyse(categorizers=["quality"])
    waited = run("jobs", "wait", job.id, "-l", home)
    assert (waited.status, "1 problem" in waited.out) == (3, True), waited
    assert "1 problem" in run("jobs", "list", "-l", home).out
    failed = {"status": "failed", "problem": {"code": "plugin", "title": "...", "message": "it raises"}}
    done = Job(id=job.id, kind="add", state="done", created_at=job.created_at, result={"results": [failed]})
    assert outcome_of(done, Failing()) == ("1 failed", "1 failed", ("picture 1: it raises",), 5)
