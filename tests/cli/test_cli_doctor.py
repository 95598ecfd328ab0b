"""`opsin doctor`: finds what is wrong, and the command that it names mends it."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import opsin


def findings(ran: Any) -> dict[str, tuple[str, str]]:
    """Return per area the worst finding: its state, and what to do."""
    order = ["ok", "warning", "problem"]
    found: dict[str, tuple[str, str]] = {}
    for entry in sorted(ran.lines, key=lambda entry: order.index(entry["state"])):
        found[entry["area"]] = (entry["state"], entry.get("remedy", ""))
    return found


def execute(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "catalogue.sqlite")) as catalogue, catalogue:
        catalogue.execute(statement)


def test_a_sound_library_is_found_sound_and_left_as_it_is(home: Path, run: Callable[..., Any]) -> None:
    before = (home / "catalogue.sqlite").read_bytes()
    ran = run("doctor", "--json")
    assert ran.status == 0
    assert {state for state, _ in findings(ran).values()} == {"ok"}
    assert set(findings(ran)) == {
        *("versions", "space", "settings", "vocabularies", "owner", "keys", "catalogue"),
        *("copies", "originals", "index", "tags", "reports", "plugins"),
    }
    assert (home / "catalogue.sqlite").read_bytes() == before


def test_it_runs_beside_the_owner_and_names_it(home: Path, run: Callable[..., Any]) -> None:
    with opsin.open(home):
        ran = run("doctor")
    assert ran.status == 0
    assert "has the library open" in ran.out


def test_an_owner_that_says_it_serves_and_does_not_answer_is_a_problem(home: Path, run: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, opsin.open(home) as library:
        library.announce(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert "and serves it at http://127.0.0.1:" in run("doctor", "--quick").out
        listening.close()
        assert findings(run("doctor", "--quick", "--json"))["owner"][0] == "problem"


def test_keys_that_others_can_read_are_a_warning_that_its_remedy_ends(home: Path, run: Callable[..., Any]) -> None:
    (home / "admin.key").chmod(0o644)
    state, remedy = findings(run("doctor", "--quick", "--json"))["keys"]
    assert (state, remedy.startswith(f"chmod 600 {home / 'admin.key'};")) == ("warning", True)
    (home / "admin.key").chmod(0o600)
    assert findings(run("doctor", "--quick", "--json"))["keys"][0] == "ok"


def test_missing_reports_are_found_and_reanalysis_heals_them(home: Path, run: Callable[..., Any]) -> None:
    execute(home, "DELETE FROM report WHERE categorizer = 'fake' AND content_id = 3")
    ran = run("doctor", "--json")
    assert ran.status == 1
    state, remedy = findings(ran)["reports"]
    assert (state, remedy) == ("problem", "opsin reanalyse --missing")
    assert run(*remedy.split()[1:]).status == 0
    assert run("doctor").status == 0


def test_stale_reports_are_found_and_reanalysis_heals_them(home: Path, run: Callable[..., Any]) -> None:
    execute(home, "UPDATE report SET revision = 'older' WHERE categorizer = 'quality'")
    ran = run("doctor", "--json")
    assert findings(ran)["reports"] == ("problem", "opsin reanalyse --stale")
    run("reanalyse", "--stale")
    assert run("doctor").status == 0


def test_wrong_tags_are_found_and_a_rebuild_heals_them(home: Path, run: Callable[..., Any]) -> None:
    execute(home, "DELETE FROM tag_bitmap WHERE label = 'red'")
    ran = run("doctor", "--json")
    assert findings(ran)["tags"] == ("warning", "opsin index rebuild")
    run("index", "rebuild")
    assert findings(run("doctor", "--json"))["tags"][0] == "ok"


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "behind"])
def test_an_index_that_is_not_right_is_found(home: Path, run: Callable[..., Any], damage: str) -> None:
    index = home / "index.opsin"
    data = index.read_bytes()
    if damage == "gone":
        index.unlink()
    elif damage == "cut":
        index.write_bytes(data[:-100])
    elif damage == "changed":
        index.write_bytes(data[:-50] + bytes([data[-50] ^ 255]) + data[-49:])
    else:
        execute(home, "DELETE FROM embedding WHERE row = 6")
    ran = run("doctor", "--json")
    state, remedy = findings(ran)["index"]
    assert state == ("warning" if damage == "gone" else "problem")
    assert remedy == "opsin index rebuild"
    assert run("index", "rebuild").status == 0
    assert findings(run("doctor", "--json"))["index"][0] == "ok"


def test_copied_pictures_are_compared_byte_by_byte(
    library: opsin.Library, photos: Path, run: Callable[..., Any]
) -> None:
    library.add(photos, copy=True)
    library.close()
    blobs = sorted(path for path in (library.path / "blobs").rglob("*") if path.is_file())
    data = blobs[0].read_bytes()
    blobs[0].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    ran = run("doctor", "--library", library.path)
    assert ran.status == 1
    assert "1 copied pictures are damaged" in ran.out
    assert run("doctor", "--quick", "--library", library.path).status == 0  # the size is right
    blobs[1].unlink()
    ran = run("doctor", "--quick", "--library", library.path)
    assert ran.status == 1
    assert "1 copied pictures are missing" in ran.out


def test_originals_that_are_gone_are_a_warning(home: Path, photos: Path, run: Callable[..., Any]) -> None:
    (photos / "red-circle.jpg").unlink()
    ran = run("doctor", "--quick", "--json")
    assert ran.status == 0
    assert findings(ran)["originals"][0] == "warning"


@pytest.mark.parametrize("start", [0, 100, 8192])
def test_a_damaged_catalogue_is_found(home: Path, run: Callable[..., Any], start: int) -> None:
    path = home / "catalogue.sqlite"
    data = bytearray(path.read_bytes())
    data[start : start + 2048] = b"\xff" * 2048
    path.write_bytes(data)
    ran = run("doctor", "--quick")
    assert ran.status == 1
    assert "restore a backup" in ran.out


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("[decode]\nmax_pixel = 3\n", "max_pixel"),
        ("[host", "not valid TOML"),
        ("[tags]\nthreshold = 'x'\n", "tags.threshold"),
    ],
)
def test_settings_that_cannot_be_used_are_named(home: Path, run: Callable[..., Any], settings: str, says: str) -> None:
    (home / "opsin.toml").write_text(settings, "utf-8")
    ran = run("doctor")
    assert ran.status == 1
    assert says in ran.out


def test_a_plugin_that_cannot_be_used_is_a_problem_with_its_reason(home: Path, run: Callable[..., Any]) -> None:
    text = (home / "opsin.toml").read_text("utf-8")
    (home / "opsin.toml").write_text(text + "[plugins.quality]\nnonsense = 1\n", "utf-8")
    ran = run("doctor", "--json")
    line = len(text.splitlines()) + 2
    said = [entry["message"] for entry in ran.lines if entry["area"] == "plugins" and entry["state"] == "problem"]
    assert said == [f"quality is broken: opsin.toml, line {line}: plugins.quality.nonsense: there is no such key"]
    assert ran.status == 1
    assert findings(ran)["plugins"][0] == "problem"


def test_where_there_is_no_library_it_says_how_to_make_one(tmp_path: Path, run: Callable[..., Any]) -> None:
    ran = run("doctor", "--library", tmp_path / "nothing")
    assert ran.status == 1
    assert "opsin init" in ran.out
