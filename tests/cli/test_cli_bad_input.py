"""Bad input on the command line: one sentence, or with --json one object, on standard error; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HALF = "a\udcff"
"""What Python makes of an argument that is not UTF-8."""
LONG = "x" * 5000

CASES = [
    (["list", "--library", "nowhere"], 4, "library-missing"),
    (["list", "-l", LONG], 2, "usage"),
    (["init"], 4, "library"),
    (["init", "-l", "new", "--encoder", HALF], 2, "unknown-name"),
    (["init", "-l", "new", "--encoder", "fake", "--vocabulary", "nothing"], 2, "unknown-name"),
    (["add", "x.jpg", "--caption", HALF], 2, "usage"),
    (["add", "x.jpg", "--owner", HALF], 2, "usage"),
    (["add", "x.jpg", "--tag", HALF], 2, "usage"),
    (["add", "x.jpg", "--tag", "!!!"], 2, "usage"),
    (["add", "x.jpg", "--context", f"a={HALF}"], 2, "usage"),
    (["add", "x.jpg", "--context", "nonsense"], 2, "usage"),
    (["add", "x.jpg", "--auto-tag", "nan"], 2, "usage"),
    (["add", "x.jpg", "--auto-tag", "2"], 2, "usage"),
    (["add"], 2, "usage"),
    (["search"], 2, "usage"),
    (["search", HALF], 2, "usage"),
    (["search", "red", "-n", "0"], 2, "usage"),
    (["search", "red", "--cursor", "zzz"], 2, "usage"),
    (["search", "red", "--where", "width>=wide"], 2, "usage"),
    (["search", "red", "--where", f"owner={HALF}"], 2, "usage"),
    (["search", "--nonsense"], 2, "usage"),
    (["duplicates", "--threshold", "nan"], 2, "usage"),
    (["list", "--limit", "0"], 2, "usage"),
    (["show", "nothing.jpg"], 2, "unknown-name"),
    (["show", HALF], 2, "unknown-name"),
    (["explain", "red-circle.jpg", "no_such_label"], 2, "unknown-name"),
    (["label", "red-circle.jpg", "--add", "..."], 2, "usage"),
    (["label", "red-circle.jpg"], 2, "usage"),
    (["reanalyse", "--categorizer", "nobody"], 2, "unknown-name"),
    (["vocabulary", "show", "nothing"], 2, "unknown-name"),
    (["vocabulary", "add", "no.toml"], 2, "unknown-name"),
    (["vocabulary", "edit", "everyday", "dog", "--prompt", HALF], 2, "setting"),
    (["vocabulary", "edit", "everyday", "dog", "--threshold", "nan"], 2, "setting"),
    (["export"], 2, "usage"),
    (["export", "nowhere/out.jsonl"], 4, "library"),
    (["export", LONG], 2, "usage"),
    (["import", "nothing.jsonl"], 2, "usage"),
    (["backup", "{home}/backup"], 2, "usage"),
    (["restore", "{home}", "-l", "new"], 2, "usage"),
    (["encoders", "install", "nothing"], 2, "unknown-name"),
    (["encoders", "measure", "nothing"], 2, "unknown-name"),
    (["plugins", "show", "nothing"], 2, "unknown-name"),
    (["plugin", "new", "Not A Name"], 2, "usage"),
    (["watch", "nowhere"], 2, "usage"),
    (["no-such-command"], 2, "usage"),
]


@pytest.mark.parametrize(("arguments", "status", "code"), CASES)
def test_what_cannot_be_done_is_said_in_one_sentence_or_one_object(
    home: Path,
    tmp_path: Path,
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [argument.replace("{home}", str(home)) for argument in arguments]
    ran = run(*arguments)
    assert ran.status == status, ran.err
    assert "Error: " in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    told = run("--json", *arguments)
    assert told.status == status
    assert told.out == ""
    (line,) = told.err.splitlines()
    problem = json.loads(line)
    assert problem["code"] == code
    assert problem["message"] in ran.err.encode("utf-8", "backslashreplace").decode() or HALF in "".join(arguments)
    assert problem["title"]


def test_a_message_says_a_thing_once(run: Callable[..., Any], tmp_path: Path) -> None:
    ran = run("list", "--library", tmp_path / "nowhere")
    assert ran.err.count("here is no library") == 1
    assert "opsin init --library" in ran.err


def test_nothing_found_has_the_same_status_with_json(home: Path, run: Callable[..., Any]) -> None:
    for arguments in (
        ["list", "-w", "owner=nobody"],
        ["search", "red", "-w", "owner=nobody"],
        ["duplicates", "--threshold", "1"],
    ):
        assert run(*arguments).status == run(*arguments, "--json").status == 1
