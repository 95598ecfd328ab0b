"""Completion: the script of each shell, and what it is answered, without a model or a network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from opsin.cli.main import COMMANDS, cli

ASKED = """
import atexit, sys
atexit.register(lambda: print(*{n.split(".")[0] for n in sys.modules}, file=sys.stderr))
from opsin.cli import main
main()
"""


def completed(*words: str) -> list[str]:
    """Return what is offered for the last of ``words``."""
    *before, incomplete = words
    asked = ShellComplete(cli, {}, "opsin", "_OPSIN_COMPLETE")
    return [item.value for item in asked.get_completions(list(before), incomplete)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_the_usual_shells(run: Callable[..., Any], shell: str) -> None:
    script = run("completion", shell).out
    assert "_OPSIN_COMPLETE" in script
    assert f"{shell}_complete" in script
    if shell == "bash":
        assert subprocess.run(["bash", "-n", "-c", script], check=False).returncode == 0


def test_commands_and_options_are_completed() -> None:
    assert set(completed("")) == set(COMMANDS)
    assert completed("vocab") == ["vocabulary"]
    assert completed("vocabulary", "ed") == ["edit"]
    assert "--where" in completed("search", "--w")


def test_labels_tags_and_vocabularies_of_the_library_are_completed(
    home: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("label", "red-circle.jpg", "--add", "dogness")
    assert {"dog", "dogness"} <= set(completed("search", "--tag", "dog"))
    assert "dogness" in completed("explain", "red-circle.jpg", "dogn")
    assert "dog" in completed("label", "red-circle.jpg", "--remove", "do")
    assert completed("vocabulary", "show", "eve") == ["everyday"]
    monkeypatch.setenv("OPSIN_HOME", str(home / "nothing"))
    assert completed("search", "--tag", "dog") == []
    assert "dogness" in completed("--library", str(home), "search", "--tag", "dogn")
    assert "dogness" in completed("search", "-l", str(home), "--tag", "dogn")


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ("opsin sea", {"torch", "faiss", "openvino", "sqlalchemy", "numpy", "rich"}),
        ("opsin search --tag dog", {"torch", "faiss", "openvino", "timm", "open_clip", "PIL", "httpx", "obstore"}),
    ],
)
def test_completing_loads_no_more_than_it_needs(home: Path, words: str, heavy: set[str]) -> None:
    asked = {"_OPSIN_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    ran = subprocess.run(
        [sys.executable, "-c", ASKED], capture_output=True, text=True, check=True, env={**os.environ, **asked}
    )
    assert words.rsplit(maxsplit=1)[-1] in ran.stdout
    assert not set(ran.stderr.split()) & heavy
