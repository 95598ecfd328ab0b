"""Tables on terminals of every width, and in a pipe."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import opsin
from opsin.cli.output import table

if TYPE_CHECKING:
    from tests.cli.conftest import Run

COLUMNS = ("picture", "size", "tags", "id")
ROWS = [
    (
        "a-picture-with-a-long-name.jpg",
        "640x480",
        ["animal 0.98", "cat 0.98", "mammal 0.98", "pet 0.98"],
        "01a20b81-93a2-7017",
    ),
    ("b.jpg", "9x9", "", "01a20b81-93a2-7018"),
]

Shown = Callable[[int], list[str]]


class Terminal(io.StringIO):
    """A terminal of which only the screen matters."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Return a function that shows the table on a terminal of so many columns and returns its lines."""

    def on(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        with redirect_stdout(Terminal()) as terminal:
            table(COLUMNS, ROWS, right=("size",))
        return click.unstyle(terminal.getvalue()).splitlines()

    return on


def test_a_wide_terminal_shows_a_row_a_line(shown: Shown) -> None:
    lines = shown(120)
    assert len(lines) == 3
    assert all(max(map(len, lines)) <= 120 for line in lines)
    assert "pet 0.98  01a20b81-93a2-7017" in lines[1]


def test_a_narrower_one_breaks_words_and_never_an_id(shown: Shown) -> None:
    lines = shown(80)
    assert max(map(len, lines)) <= 80
    assert len(lines) > 3
    assert sum("01a20b81-93a2-701" in line for line in lines) == 2
    assert any("640x480" in line for line in lines)


def test_no_line_of_a_cell_ends_within_an_entry_of_a_list(shown: Shown) -> None:
    text = "\n".join(shown(80))
    assert all(entry in text for entry in ("animal 0.98", "cat 0.98", "mammal 0.98", "pet 0.98")), text
    assert text.isascii(), "what is copied from a terminal has plain spaces"


def test_one_that_is_too_narrow_for_columns_shows_a_field_a_line(shown: Shown) -> None:
    assert shown(40) == [
        "picture  a-picture-with-a-long-name.jpg",
        "size     640x480",
        "tags     animal 0.98, cat 0.98, mammal 0.98, pet 0.98",
        "id       01a20b81-93a2-7017",
        "",
        "picture  b.jpg",
        "size     9x9",
        "id       01a20b81-93a2-7018",
    ]


def test_a_pipe_gets_a_row_a_line_however_long_and_nothing_after_it() -> None:
    with redirect_stdout(io.StringIO()) as piped:
        table(("a", "b"), [("x" * 500, "y" * 500), ("x", "")])
    assert piped.getvalue().splitlines() == [f"a{' ' * 501}b", f"{'x' * 500}  {'y' * 500}", "x"]


def test_at_80_columns_every_list_shows_whole_ids_and_times_without_seconds(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opsin.open(home) as library:
        job = library.jobs.reanalyse()
        library.jobs.cancel(job.id)
        webhook = library.webhooks.create("https://example.org/a/long/place/for/what/happens/here", ["asset.*"])
        search = library.searches.create("something red", name="red things", where=["format=jpeg"])
    key = opsin.keys(home).create("a-reader-with-a-long-name", "read")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    for words, number in (
        (("jobs", "list"), job.id[:18]),
        (("webhooks", "list"), webhook.id),
        (("searches", "list"), search.id),
        (("keys", "list"), key.id),
    ):
        with monkeypatch.context() as terminal:
            terminal.setattr(sys.stdout, "isatty", lambda: True)
            lines = click.unstyle(run(*words, "-l", home).out).splitlines()
        assert max(map(len, lines)) <= 80, lines
        assert any(number in line for line in lines), lines
    for words in (("jobs", "list"), ("keys", "list")):
        told = run(*words, "-l", home).out
        assert re.search(r"  \d{4}-\d\d-\d\d \d\d:\d\d(  |$)", told, re.MULTILINE), told
