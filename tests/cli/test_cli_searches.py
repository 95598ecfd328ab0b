"""`opsin searches`: kept, listed, run and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_searches_are_kept_listed_run_and_deleted(run: Run, home: Path) -> None:
    made = run("searches", "create", "red", "--where", "width>5", "--cutoff", "0.6", "--json", "-l", home).lines[0]
    other = run("searches", "create", "--not", "blue", "--like", "red-square.jpg:2", "-l", home).out.strip()
    listed = run("searches", "list", "-l", home).out
    assert "width>5" in listed
    assert "blue (-0.5)" in listed
    assert [each["id"] for each in run("searches", "list", "--json", "-l", home).lines] == [made["id"], other]
    found = run("searches", "run", made["id"], "-n", "1", "--json", "-l", home)
    assert found.lines[0]["asset"]["name"].startswith("red")
    assert run("searches", "delete", made["id"], "-l", home).out == f"Deleted the saved search {made['id']} (red).\n"
    assert run("searches", "run", made["id"], "-l", home).status == 2
