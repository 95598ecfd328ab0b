"""Tables on terminals of every width, and in a pipe."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout

import click
import pytest

from opsin.cli.output import table

COLUMNS = ("picture", "size", "tags", "id")
ROWS = [
    ("a-picture-with-a-long-name.jpg", "640x480", "animal 0.98, cat 0.98, mammal 0.98, pet 0.98", "01a20b81-93a2-7017"),
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
            table(COLUMNS, ROWS, right=("size",), whole=("size", "id"))
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
