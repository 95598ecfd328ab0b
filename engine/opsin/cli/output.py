"""How results are shown: JSON lines, tables and progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click
import msgspec

if TYPE_CHECKING:
    from rich.progress import Progress

    from opsin.model import Tag


_READABLE = 16
"""Cells: narrower columns of words cannot be read."""
_ENDLESS = 1_000_000
_GLUE = "\ue000"
"""Stands for a space at which no line ends while a table is laid out; text that people wrote holds none (:func:`printable`)."""


_ours: TextIO | None = None


@contextmanager
def nothing_but_json() -> Iterator[None]:
    """Keep standard output for :func:`emit`: what plugins of this process print goes to standard error."""
    global _ours  # noqa: PLW0603 - there is one standard output
    _ours = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _ours = None


def standard_output() -> TextIO:
    """Return where results go."""
    return _ours or sys.stdout


def emit(value: Any) -> None:
    """Print a value as one line of JSON."""
    click.echo(msgspec.json.encode(value).decode(), file=standard_output())


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    none: str | None = None,
) -> None:
    """Print rows under a heading; where there is no row, the sentence ``none`` on standard error, if there is one.

    Columns named in ``right`` are numbers, aligned right; they, those in ``whole`` and ids are never broken, nor are the
    entries of a cell that is a list. A terminal too narrow for that shows one field a line instead, so that nothing is
    cut off. What is no terminal gets one line a row, however long.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else _ENDLESS, highlight=False)
    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells and none is not None:
        click.echo(none, err=True)
        return
    unbroken = {"id", *right, *whole}
    made = Table(box=None, pad_edge=False, header_style="bold")
    needed = 2 * (len(columns) - 1)
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in right else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column in unbroken)
        longest = max(map(cell_len, [column, *(row[place] for row in cells)]))
        needed += longest if column in unbroken else min(longest, _READABLE)
    if needed > console.width:
        _fields(columns, cells)
        return
    for row in cells:
        made.add_row(*map(Text, row))
    with console.capture() as shown:
        console.print(made)
    for line in shown.get().splitlines():
        click.echo(line.replace(_GLUE, " ").rstrip())


def _cell(cell: object) -> str:
    if isinstance(cell, list):
        return ", ".join(printable(str(entry)).replace(" ", _GLUE) for entry in cell)
    return printable(str(cell))


def _fields(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of a heading and a value, and an empty line between two rows."""
    width = max(map(len, columns))
    for number, row in enumerate(rows):
        if number:
            click.echo()
        for column, cell in zip(columns, row, strict=True):
            if cell:
                click.echo(f"{column:<{width}}  {cell.replace(_GLUE, ' ')}")


def scored(tags: Iterable[Tag]) -> list[str]:
    """Return tags with their scores, best first: ``cat 0.93``, ``animal 0.93``; a person's tag has no number."""
    ordered = sorted(tags, key=lambda tag: (-tag.score, tag.label))
    return [tag.label if tag.by == "person" else f"{tag.label} {tag.score:.2f}" for tag in ordered]


def tag_line(tags: Iterable[Tag]) -> str:
    """Return tags with their scores in one line: ``cat 0.93, animal 0.93``."""
    return ", ".join(scored(tags))


def minute(at: str) -> str:
    """Return a time of the catalogue, which is UTC, for people: ``2026-11-30 23:41``."""
    return at[:16].replace("T", " ")


def printable(text: str) -> str:
    """Return text without control characters, which a file's name could smuggle into a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 problem``, ``2 problems``, ``no tag``."""
    return f"{count:,} {noun}s" if count > 1 else f"{'1' if count else 'no'} {noun}"


def say(sentence: str) -> None:
    """Print a sentence that may begin with a number in words: it begins with a capital."""
    click.echo(sentence[:1].upper() + sentence[1:])


class Few:
    """Lets the first of many lines through, and says once that there are more."""

    def __init__(self, most: int, more: str, *, every: bool = False) -> None:
        self._left, self._more, self._every = most, more, every

    def line(self, text: str, *, problem: bool = False) -> None:
        """Print a line, on standard error where it tells of a ``problem``, unless there were enough."""
        self._left -= 1
        if self._every or self._left >= 0:
            click.secho(text, fg="yellow" if problem else None, err=problem)
        elif self._left == -1:
            click.echo(self._more, err=problem)


def tag_changes(came: int, went: int) -> str:
    """Return what became of the tags: ``3 tags came and 1 went``."""
    if not came and not went:
        return "no tag came or went"
    return f"{counted(came, 'tag')} came and {went or 'none'} went"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return str(count)


def progress(*, show: bool) -> Progress:
    """Return a progress bar with rate and time left, on standard error; it shows on a terminal only."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not (show and console.is_terminal),
        transient=True,
    )
