"""`opsin keys`: made, listed and revoked on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_an_unknown_key_is_an_error(home: Path, run: Callable[..., Any]) -> None:
    ran = run("keys", "revoke", "nothing", "--json")
    assert ran.status == 2
    assert json.loads(ran.err)["code"] == "unknown-name"
