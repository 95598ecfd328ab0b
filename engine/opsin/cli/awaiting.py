"""Waiting for jobs on the command line: a progress bar, and what Ctrl-C leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opsin.cli.output import progress
from opsin.errors import LibraryError, Unreachable

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Job, Library


def followed(there: Library | Client, number: str, words: str, *, quiet: bool) -> Job:
    """Return a job when it is over, and show until then how far it is."""
    with progress(show=not quiet) as bar:
        task = bar.add_task(words, total=None, rate="")
        for job in there.jobs.events(number):
            bar.update(task, completed=job.done, total=job.total)
    return there.jobs.get(number)


def finished(client: Client, job: Job, words: str, *, quiet: bool) -> Job:
    """Return a job of a service when it is done; whoever interrupts this is told that it goes on there.

    :raises LibraryError: where it failed or was cancelled.
    """
    left = f"`opsin jobs wait {job.id}` waits for it, `opsin jobs cancel {job.id}` ends it"
    try:
        done = followed(client, job.id, words, quiet=quiet)
    except KeyboardInterrupt:
        click.echo(f"The service goes on with the job {job.id}: {left}.", err=True)
        raise
    except Unreachable as error:
        msg = f"{error} It goes on with the job {job.id} when it runs: {left}."
        raise Unreachable(msg) from error
    if done.problem is not None or done.state != "done":
        why = "" if done.problem is None else f", {done.problem.message}"
        msg = f"the service could not do it: the job {done.id} is {done.state}{why}"
        raise LibraryError(msg)
    return done
