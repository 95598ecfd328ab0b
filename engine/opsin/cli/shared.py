"""What commands share: the options for the library and for JSON, and opening the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from opsin.library import Library

Command = Callable[..., Any]


def library_option(command: Command) -> Command:
    """Add ``--library``."""
    return click.option(
        "--library",
        "-l",
        "root",
        type=click.Path(path_type=Path, file_okay=False),
        help="The library's folder [default: $OPSIN_HOME, else ./opsin-library].",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")(command)


def where_option(command: Command) -> Command:
    """Add ``--where``."""
    return click.option(
        "--where",
        "-w",
        multiple=True,
        metavar="CONDITION",
        help="Only assets that fit, e.g. tag=dog, tag!=toy, owner=ann, width>=800, taken>=2025-01, format=png|webp, color=red. May be repeated.",
    )(command)


def open_library(root: Path | None, *, readonly: bool = False) -> Library:
    """Open the library that a command is about."""
    import opsin

    return opsin.open(root, readonly=readonly)
