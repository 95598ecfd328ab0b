"""Commands that look after the index: `opsin index status|verify|rebuild`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from opsin.cli.output import emit
from opsin.cli.shared import json_option, library_option, open_library, options_before_a_command


@click.group()
@options_before_a_command
def index() -> None:
    """Look after the vector index; it follows from the catalogue and can be made again."""


@index.command()
@library_option
@json_option
def status(root: Path | None, as_json: bool) -> None:
    """Show how many pictures and vectors there are."""
    with open_library(root, readonly=True) as library:
        found = library.index.status()
    if as_json:
        emit(found)
        return
    for name, value in msgspec.to_builtins(found).items():
        click.echo(f"{name:<9} {value}")


@index.command()
@library_option
@json_option
def verify(root: Path | None, as_json: bool) -> int:
    """Compare every vector with the catalogue."""
    with open_library(root, readonly=True) as library:
        problems = library.index.verify()
    if as_json:
        emit({"sound": not problems, "problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
        click.echo("The index is sound." if not problems else "Make it again with `opsin index rebuild`.")
    return 1 if problems else 0


@index.command()
@library_option
@json_option
def rebuild(root: Path | None, as_json: bool) -> None:
    """Make the index and the tags of models again from the catalogue."""
    with open_library(root) as library:
        count = library.index.rebuild()
    if as_json:
        emit({"vectors": count})
    else:
        click.echo(f"{count} vectors are in the index.")


COMMANDS = (index,)
