"""The command that looks a library over: `opsin doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from opsin.cli.output import counted, emit, printable, say
from opsin.cli.shared import json_option, library_option

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "red")}


@click.command()
@library_option
@click.option("--quick", is_flag=True, help="Read no picture, vector or report, and load no model.")
@json_option
def doctor(root: Path | None, quick: bool, as_json: bool) -> int:
    """Look everything over and say what to do about what is wrong; nothing is changed.

    Versions, space, settings, vocabularies, owner and keys, catalogue, copied pictures, originals, index, tags, reports and plugins.
    """
    import opsin

    problems = warnings = 0
    for finding in opsin.examine(root, quick=quick):
        problems += finding.state == "problem"
        warnings += finding.state == "warning"
        if as_json:
            emit(finding)
            continue
        mark, colour = _MARKS[finding.state]
        click.secho(f"{mark:<8}", fg=colour, nl=False)
        click.echo(f"{finding.area:<13} {printable(finding.message)}")
        if finding.remedy:
            click.echo(f"{'':<21} to do: {printable(finding.remedy)}")
    if not as_json:
        say(f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}.")
    return 1 if problems else 0


COMMANDS = (doctor,)
