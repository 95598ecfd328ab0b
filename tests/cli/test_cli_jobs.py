"""`opsin jobs`: listed, shown, cancelled, and done by who waits for them where no service does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import opsin

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
