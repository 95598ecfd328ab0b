"""Commands `opsin jobs ...`: work that goes on after whoever asked for it was answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from opsin.cli.awaiting import followed
from opsin.cli.output import emit, table
from opsin.cli.shared import Place, json_option, options_before_a_command, place_option, reach

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Job, JobState, Library

_STATES = ("queued", "running", "done", "failed", "cancelled")


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
    else:
        rows = [(each.id, each.kind, each.state, _done(each), each.created_at, _why(each)) for each in found]
        table(("id", "kind", "state", "done", "asked for", "why"), rows, right=("done",))


@jobs.command("show")
@click.argument("number", metavar="ID")
@place_option
@json_option
def show_job(number: str, place: Place, as_json: bool) -> None:
    """Show how far the job ID is."""
    with reach(place, readonly=True) as library:
        found = library.jobs.get(number)
    _say(found, as_json=as_json)


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
    """Wait until the job ID is over; 1 where it failed or was cancelled. Where no service does it, this command does."""
    with reach(place) as library, _working(library):
        found = followed(library, number, "Waiting", quiet=as_json)
    _say(found, as_json=as_json)
    return 0 if found.state == "done" else 1


@contextmanager
def _working(library: Library | Client) -> Iterator[None]:
    """Have the jobs done here, unless a service does them."""
    import opsin

    if not isinstance(library, opsin.Library):
        yield
        return
    worker = library.jobs.working()
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def _done(job: Job) -> str:
    return f"{job.done}" if job.total is None else f"{job.done}/{job.total}"


def _why(job: Job) -> str:
    return "" if job.problem is None else job.problem.message


def _say(job: Job, *, as_json: bool) -> None:
    if as_json:
        emit(job)
    else:
        why = f": {_why(job)}" if job.problem is not None else ""
        click.echo(f"The job {job.id} ({job.kind}) is {job.state}, {_done(job)}{why}")


COMMANDS = (jobs,)
