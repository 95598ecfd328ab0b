"""Commands that keep a library safe: `opsin backup` and `opsin restore`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import counted, emit, progress, size
from opsin.cli.shared import json_option, library_option

if TYPE_CHECKING:
    from rich.progress import Progress

    from opsin.library import Step


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@library_option
@json_option
def backup(target: Path, root: Path | None, as_json: bool) -> None:
    """Copy the library to TARGET: a folder, or one file where the name ends in .tar.

    It may run while pictures are added. The copy is read back and compared; TARGET appears only when it is whole.
    Pictures that the library only refers to are not in it.
    """
    import opsin

    with progress(show=not as_json) as bar:
        made = opsin.back_up(target, root, progress=_follow(bar, "Backing up"))
    if as_json:
        emit({"backup": made.path, "files": made.files, "bytes": made.bytes})
    else:
        click.echo(
            f"Backed up {counted(made.files, 'file')} ({size(made.bytes)}) to {target}; every byte was compared."
        )


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(exists=True, path_type=Path))
@library_option
@json_option
def restore(source: Path, root: Path | None, as_json: bool) -> None:
    """Make a library (--library) from a backup; it must not be there yet."""
    import opsin

    with progress(show=not as_json) as bar, opsin.restore(source, root, progress=_follow(bar, "Restoring")) as library:
        target = library.path
    files = int(bar.tasks[0].completed)
    if as_json:
        emit({"library": str(target.absolute()), "files": files})
    else:
        click.echo(
            f"Restored {counted(files, 'file')} to the library {target}. `opsin doctor --library {target}` looks it over."
        )


def _follow(bar: Progress, words: str) -> Callable[[Step], None]:
    task = bar.add_task(words, total=None, rate="")
    return lambda step: bar.update(task, completed=step.files, total=step.total)


COMMANDS = (backup, restore)
