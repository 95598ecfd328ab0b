"""Commands `opsin jobs ...`: work that goes on after whoever asked for it was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from opsin.cli.awaiting import followed
from opsin.cli.failing import Failing
from opsin.cli.outcomes import outcome_of
from opsin.cli.output import emit, minute, printable, table
from opsin.cli.shared import Place, json_option, options_before_a_command, place_option, reach

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Job, JobState, Library

_STATES = ("queued", "running", "done", "failed", "cancelled")
_NOBODY = "No service works on the jobs of this library"


@click.group()
@options_before_a_command
def jobs() -> None:
    """List, show, cancel and await jobs, which `opsin serve` does."""


@jobs.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only these.")
@click.option("--kind", help="Only jobs of this kind, such as add or reanalyse.")
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@place_option
@json_option
def list_jobs(state: JobState | None, kind: str | None, limit: int, place: Place, as_json: bool) -> None:
    """List jobs, the newest first."""
    with reach(place, readonly=True) as library:
        found = library.jobs.list(state=state, kind=kind, limit=limit)
    if as_json:
        for each in found:
            emit(each)
        return
    rows = [
        (each.id[:18], each.kind, each.state, _done(each), minute(each.created_at), outcome_of(each, Failing()).trouble)
        for each in found
    ]
    whole = ("kind", "state", "asked for (UTC)")
    none = "No jobs." if state is None and kind is None else "No job fits."
    table(("id", "kind", "state", "done", whole[-1], "why"), rows, right=("done",), whole=whole, none=none)
    _say_who_works(place, found)


@jobs.command("show")
@click.argument("number", metavar="ID")
@place_option
@json_option
def show_job(number: str, place: Place, as_json: bool) -> None:
    """Show how far the job ID is."""
    with reach(place, readonly=True) as library:
        found = library.jobs.get(number)
    _say(found, as_json=as_json)
    if not as_json:
        _say_who_works(place, [found])


@jobs.command("cancel")
@click.argument("number", metavar="ID")
@place_option
@json_option
def cancel_job(number: str, place: Place, as_json: bool) -> None:
    """Cancel the job ID: at once where it has not begun, else after the piece in hand. What it did stays."""
    with reach(place) as library:
        found = library.jobs.cancel(number)
    _say(found, as_json=as_json)


@jobs.command("wait")
@click.argument("number", metavar="ID")
@place_option
@json_option
def wait_for_job(number: str, place: Place, as_json: bool) -> int:
    """Wait until the job ID is over. Where no service does it, this command does it.

    It ends with 1 where the job failed or was cancelled, 3 where pictures were refused in it, 5 where plugins failed.
    """
    with reach(place) as library:
        job = library.jobs.get(number)
        if not job.over:
            with _working(library, quiet=as_json):
                job = followed(library, job.id, "Waiting", quiet=as_json)
    return _say(job, as_json=as_json)


@contextmanager
def _working(library: Library | Client, *, quiet: bool) -> Iterator[None]:
    """Have the jobs done here, unless a service does them."""
    import opsin

    if not isinstance(library, opsin.Library):
        yield
        return
    if not quiet:
        click.echo(f"{_NOBODY}: this command does until that one is over, `opsin serve` all the time.", err=True)
    with library.jobs.working():
        yield


def _say_who_works(place: Place, found: Iterable[Job]) -> None:
    """Say it where nobody works on jobs that are not over."""
    import opsin

    if place.service is None and not all(job.over for job in found) and opsin.library.at_work(place.root) is None:
        click.echo(f"{_NOBODY}: `opsin serve` does, or `opsin jobs wait ID` until that one is over.", err=True)


def _done(job: Job) -> str:
    return f"{job.done}" if job.total is None else f"{job.done}/{job.total}"


def _say(job: Job, *, as_json: bool) -> int:
    """Show a job, and return the exit status that it stands for."""
    failing = Failing()
    outcome = outcome_of(job, failing)
    if as_json:
        emit(job)
        return outcome.status
    words = f": {printable(outcome.words)}" if outcome.words else ""
    click.echo(f"The job {job.id} ({job.kind}) is {job.state}, {_done(job)}{words}")
    outcome.tell()
    failing.tell(as_json=False)
    return outcome.status


COMMANDS = (jobs,)
