"""Commands that keep a library safe: `opsin backup` and `opsin restore`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import emit, progress
from opsin.cli.shared import json_option, library_option

if TYPE_CHECKING:
    from opsin.services.backup import Step


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

    files = _follow(opsin.back_up(target, root), "Backing up", as_json=as_json)
    if as_json:
        emit({"backup": str(target.absolute()), "files": files})
    else:
        click.echo(f"Backed up {files} files to {target}; every byte was compared.")


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(exists=True, path_type=Path))
@library_option
@json_option
def restore(source: Path, root: Path | None, as_json: bool) -> None:
    """Make a library (--library) from a backup; it must not be there yet."""
    from opsin.services.backup import restore as restore_from
    from opsin.settings import default_library

    target = root or default_library()
    files = _follow(restore_from(source, target), "Restoring", as_json=as_json)
    if as_json:
        emit({"library": str(target.absolute()), "files": files})
    else:
        click.echo(f"Restored {files} files to the library {target}. `opsin doctor --library {target}` looks it over.")


def _follow(steps: Iterator[Step], words: str, *, as_json: bool) -> int:
    done = 0
    with progress(show=not as_json) as bar:
        task = bar.add_task(words, total=None, rate="")
        for step in steps:
            done = step.files
            bar.update(task, completed=step.files, total=step.total)
    return done


COMMANDS = (backup, restore)
