"""The command that follows folders: `opsin watch`."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import click

from opsin.cli.failing import Failing
from opsin.cli.output import emit, printable
from opsin.cli.shared import json_option, library_option, open_library

_COLOURS = {"refused": "yellow", "failed": "yellow", "unreachable": "red", "vanished": "blue"}


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@library_option
@click.option("--owner", help="Whose pictures these are.")
@click.option("--tag", "tags", multiple=True, help="A tag to attach to each new picture; may be repeated.")
@click.option(
    "--auto-tag", type=click.FloatRange(0, 1), metavar="T", help="Tag with every label that scores more than T."
)
@click.option(
    "--interval",
    type=click.FloatRange(0.05),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait between two looks.",
)
@click.option(
    "--settle",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a file must stay as it is to count as written.",
)
@json_option
def watch(folders: tuple[Path, ...], root: Path | None, as_json: bool, **options: Any) -> None:
    """Add what appears or changes in FOLDERS and mark what vanishes, until Ctrl-C.

    At first it takes in what happened since the last time. While it runs, this library cannot be written by others.
    """
    counts: Counter[str] = Counter()
    failing = Failing()
    signal.signal(signal.SIGTERM, _interrupt)
    with open_library(root) as library:
        events = library.watch(*folders, **options)
        try:
            if not as_json:
                click.echo(f"Watching {', '.join(map(str, folders))}; Ctrl-C ends it.", err=True)
            for event in events:
                counts[event.event] += 1
                failing.note(event.failed_reports)
                if as_json:
                    emit(event)
                    continue
                tags = sorted(event.tags.items(), key=lambda tag: (-tag[1], tag[0]))
                said = (
                    event.problem.message if event.problem else ", ".join(f"{tag} {score:.2f}" for tag, score in tags)
                )
                text = f"{event.event:<9}  {printable(event.location)}" + (f": {printable(said)}" if said else "")
                click.secho(text, fg=_COLOURS.get(event.event))
        except KeyboardInterrupt:
            events.close()
    if not as_json:
        summary = ", ".join(f"{count} {event}" for event, count in sorted(counts.items()))
        click.echo(f"Stopped. {summary or 'Nothing happened'}.", err=True)
    failing.tell(as_json=as_json)


def _interrupt(_number: int, _frame: object) -> None:
    """End on SIGTERM as on Ctrl-C."""
    raise KeyboardInterrupt


COMMANDS = (watch,)
