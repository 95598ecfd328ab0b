"""The command `opsin reanalyse`: categorizers are asked again, here or by a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from opsin.cli.awaiting import finished
from opsin.cli.failing import Failing
from opsin.cli.outcomes import asked_again
from opsin.cli.output import Few, emit, printable, progress, say
from opsin.cli.shared import Place, json_option, only_these_option, place_option, reach, where_option

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Library, Reanalysed, Reanalysis

_SHOWN = 20


@click.command()
@place_option
@only_these_option
@click.option("--missing", is_flag=True, help="Only where a report is missing or failed, or a feature is missing.")
@click.option("--stale", is_flag=True, help="Only where a report or a feature is of an older revision.")
@where_option
@json_option
def reanalyse(place: Place, as_json: bool, **options: Any) -> int:
    """Ask the categorizers again. Pictures are opened only where stored features do not suffice.

    What a plugin that was installed later extracts is then stored, so that no picture has to be opened for it again.
    A service does it as a job, which goes on where this command is interrupted.
    """
    import opsin

    failing = Failing()
    with reach(place) as there:
        if isinstance(there, opsin.Library):
            done = _here(there, failing, options, as_json=as_json)
        else:
            done = _there(there, failing, options, as_json=as_json)
    outcome = asked_again(done)
    if not as_json:
        say(f"{outcome.words}.")
    failing.tell(as_json=as_json)
    return outcome.status


def _here(library: Library, failing: Failing, options: dict[str, Any], *, as_json: bool) -> Reanalysis:
    problems = Few(_SHOWN, "... and more; --json names all.")
    with progress(show=not as_json) as bar:
        plan = library.plan_reanalysis(**options)
        task = bar.add_task("Reanalysing", total=len(plan), rate="")

        def show(entry: Reanalysed) -> None:
            bar.advance(task)
            failing.note(entry.failed_reports)
            if as_json:
                emit(entry)
            elif entry.problem is not None:
                problems.line(f"{printable(entry.location)}: {entry.problem.message}", problem=True)

        return library.reanalyse(plan, progress=show)


def _there(client: Client, failing: Failing, options: dict[str, Any], *, as_json: bool) -> Reanalysis:
    from opsin.library import Reanalysis

    job = finished(client, client.jobs.reanalyse(**options), "Reanalysing", quiet=as_json)
    if as_json:
        emit(job)
    done = msgspec.convert(job.result, Reanalysis)
    failing.count(done.failed_reports)
    return done


COMMANDS = (reanalyse,)
