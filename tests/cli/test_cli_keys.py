"""`opsin keys`: made, listed and revoked on the command line."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opsin
from opsin.services.base.keys import Keys
from opsin.services.base.layout import Layout


def test_a_key_is_made_listed_and_revoked_while_the_library_is_in_use(home: Path, run: Callable[..., Any]) -> None:
    with opsin.open(home):
        made = run("keys", "create", "shop", "--scope", "write", "--json").lines[0]
        known = Keys(Layout(home)).find(made["key"])
        assert known is not None
        assert known.scope == "write"
        listed = run("keys", "list")
        assert made["id"] in listed.out
        assert made["key"] not in listed.out
        assert run("keys", "revoke", made["id"]).status == 0
    assert Keys(Layout(home)).find(made["key"]) is None


def test_keys_that_may_not_be_changed_are_one_sentence(home: Path, run: Callable[..., Any]) -> None:
    (home / "keys.lock").unlink(missing_ok=True)
    (home / "keys.lock").mkdir()  # in the way, as a file system for reading only would be
    for words in (["create", "shop"], ["revoke", "nothing"]):
        ran = run("keys", *words)
        assert (ran.status, ran.err.splitlines()) == (
            4,
            [f"Error: {home / 'keys.json'} cannot be changed: Is a directory"],
        )


@pytest.mark.parametrize("words", [["keys", "create", "shop"], ["keys", "revoke", "x"], ["reanalyse"], ["init"]])
def test_root_does_not_write_to_the_library_of_another_user_who_could_not_use_it_then(
    home: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    if words == ["init"]:
        shutil.rmtree(home)
        home.mkdir()
    before = {path.name for path in home.iterdir()}
    name = pwd.getpwuid(os.getuid() or 1).pw_name
    if os.getuid() == 0:
        os.chown(home, 1, 1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ran = run(*words)
    told = f"Error: {home} belongs to the user {name}, for whom what root writes there would be out of reach"
    assert ran.status == 4
    assert ran.err == f"{told}: do this as that user (e.g. `sudo -u '{name}' opsin ...`)\n"
    assert {path.name for path in home.iterdir()} - before <= {"owner.lock"}


def test_root_may_read_the_library_of_another_user(
    home: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() == 0:
        os.chown(home, 1, 1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "made with the library" in run("keys", "list").out
    assert run("doctor", "--quick").status == 0


def test_an_unknown_key_is_an_error(home: Path, run: Callable[..., Any]) -> None:
    ran = run("keys", "revoke", "nothing", "--json")
    assert ran.status == 2
    assert json.loads(ran.err)["code"] == "unknown-name"
