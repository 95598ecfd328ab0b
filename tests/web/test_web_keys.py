"""Keys: made with a library, hashed at rest, and looked up anew whenever another process changed them."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import opsin
from opsin.errors import AccessRefused, Damaged, TooManyRequests, UnknownName, UsageError
from opsin.services.base.keys import Keys
from opsin.services.base.layout import Layout
from opsin.web.rates import Rates


@pytest.fixture
def keys(library: opsin.Library) -> Keys:
    return Keys(Layout(library.path))


def test_a_new_library_has_an_admin_key_in_a_file_that_only_its_owner_may_read(library: opsin.Library) -> None:
    file = library.path / "admin.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = Keys(Layout(library.path)).find(file.read_text().strip())
    assert found is not None
    assert found.scope == "admin"


def test_no_secret_is_stored(keys: Keys, library: opsin.Library) -> None:
    made = keys.create("shop", "write")
    stored = library.path / "keys.json"
    assert made.key not in stored.read_text()
    assert made.key.rsplit("_", 1)[1] not in stored.read_text()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600


def test_a_key_allows_its_scope_and_those_before_it(keys: Keys) -> None:
    key = keys.find(keys.create("shop", "write").key)
    assert key is not None
    key.require("read")
    key.require("write")
    with pytest.raises(AccessRefused, match="needs admin"):
        key.require("admin")


def test_a_key_that_another_process_revoked_opens_nothing(keys: Keys, library: opsin.Library) -> None:
    made = keys.create("shop")
    assert keys.find(made.key) is not None
    Keys(Layout(library.path)).revoke(made.id)
    assert keys.find(made.key) is None


@pytest.mark.parametrize("change", [lambda _: "", lambda k: k[:-1] + "x", lambda _: "opsin_x_y", lambda _: "\ud800"])
def test_what_is_no_key_opens_nothing(keys: Keys, change: Callable[[str], str]) -> None:
    assert keys.find(change(keys.create("shop").key)) is None


def test_an_admin_key_is_made_only_where_there_is_none(keys: Keys, library: opsin.Library) -> None:
    before = keys.list()
    keys.make_admin()
    assert keys.list() == before
    (library.path / "keys.json").unlink()
    file = keys.make_admin()
    assert file is not None
    found = keys.find(file.read_text().strip())
    assert found is not None
    assert found.scope == "admin"
    file.unlink()
    assert keys.make_admin() is None, "somebody took the secret elsewhere"


def test_wrong_names_scopes_and_ids_are_told(keys: Keys) -> None:
    with pytest.raises(UsageError, match="name"):
        keys.create(" ")
    with pytest.raises(UsageError, match="scope"):
        keys.create("shop", "root")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="opsin keys list"):
        keys.revoke("nothing")


def test_a_damaged_list_of_keys_opens_nothing(keys: Keys, library: opsin.Library) -> None:
    made = keys.create("shop")
    (library.path / "keys.json").write_text("[{}]")
    with pytest.raises(Damaged, match=r"keys\.json"):
        keys.find(made.key)


def test_the_last_use_is_stored_once_a_minute_and_seen_by_other_processes(keys: Keys, library: opsin.Library) -> None:
    made = keys.create("shop")
    assert {key.last_used_at for key in keys.list()} == {None}
    keys.note_use(made.id)
    stored = (library.path / "key-uses.json").stat()
    keys.note_use(made.id)
    assert (library.path / "key-uses.json").stat().st_ino == stored.st_ino
    assert stat.S_IMODE(stored.st_mode) == 0o600
    (used,) = [key.last_used_at for key in Keys(Layout(library.path)).list() if key.id == made.id]
    assert used is not None
    assert used >= made.created_at
    assert "last_used" not in (library.path / "keys.json").read_text()


@pytest.mark.parametrize("damage", [lambda file: file.write_text("{"), lambda file: file.mkdir()])
def test_a_last_use_that_cannot_be_stored_keeps_nobody_out(
    keys: Keys, library: opsin.Library, damage: Callable[[Path], object]
) -> None:
    made = keys.create("shop")
    damage(library.path / "key-uses.json")
    keys.note_use(made.id)
    assert keys.find(made.key) is not None
    assert made.id in {key.id for key in keys.list()}


def test_a_bucket_fills_up_again_within_a_minute() -> None:
    moment = [0.0]
    rates = Rates(6, clock=lambda: moment[0])
    assert rates.take("a") == {"RateLimit-Policy": '"key";q=6;w=60', "RateLimit": '"key";r=5;t=10'}
    for _ in range(5):
        rates.take("a")
    with pytest.raises(TooManyRequests, match=r"serve\.rate_limit") as refused:
        rates.take("a")
    assert refused.value.after == 10
    assert rates.take("b")["RateLimit"] == '"key";r=5;t=10'
    moment[0] = 9.9
    with pytest.raises(TooManyRequests):
        rates.take("a")
    moment[0] = 10.0
    assert rates.take("a")["RateLimit"] == '"key";r=0;t=60'
    moment[0] = 1000.0
    assert rates.headers("a")["RateLimit"] == '"key";r=6;t=0'
    assert Rates(0).take("a") == Rates(0).headers("a") == {}
