"""`opsin doctor`: finds what is wrong, and the command that it names mends it."""

from __future__ import annotations

import socket
import sqlite3
import stat
import subprocess
import tempfile
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
        *("versions", "space", "settings", "vocabularies", "owner", "keys", "folder", "catalogue"),
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


def test_keys_that_keep_the_service_from_starting_are_a_problem(home: Path, run: Callable[..., Any]) -> None:
    (home / "keys.json").write_text("no keys")
    state, remedy = findings(run("doctor", "--quick", "--json"))["keys"]
    assert (state, remedy) == ("problem", f"rm {home / 'keys.json'}; opsin keys create NAME")


def test_a_library_without_its_catalogue_is_to_be_restored_and_not_made_anew(
    home: Path, run: Callable[..., Any]
) -> None:
    (home / "catalogue.sqlite").unlink()
    done = run("doctor", "--quick", "--json")
    assert findings(done)["library"] == ("problem", "restore a backup: opsin restore BACKUP --library NEW")
    assert "has no catalogue.sqlite any more" in done.out
    assert "opsin init" not in run("list").err


def test_a_library_that_everybody_can_look_into_is_a_warning(run: Callable[..., Any]) -> None:
    with tempfile.TemporaryDirectory() as outside:
        home = Path(outside) / "made"
        opsin.init(home, encoder="starter", vocabularies=()).close()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        Path(outside).chmod(0o755)
        assert findings(run("doctor", "--quick", "--json", "--library", home))["folder"][0] == "ok"
        home.chmod(0o755)
        state, remedy = findings(run("doctor", "--quick", "--json", "--library", home))["folder"]
        assert (state, remedy) == ("warning", f"chmod o= {home}")
        home.chmod(0o750)
        assert findings(run("doctor", "--quick", "--json", "--library", home))["folder"][0] == "ok"


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


@pytest.fixture
def copies(home: Path, photos: Path, run: Callable[..., Any]) -> list[Path]:
    """Return the copies of the six pictures, as they lie in the library."""
    assert "6 copied in" in run("add", photos, "--copy").out
    return sorted(path for path in (home / "blobs").rglob("*") if path.is_file())


def damage(copy: Path) -> None:
    """Change a byte; the size stays."""
    data = copy.read_bytes()
    copy.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def copies_of(ran: Any) -> list[tuple[str, str]]:
    return [(line["message"], line.get("remedy", "")) for line in ran.lines if line["area"] == "copies"]


def follow(run: Callable[..., Any], remedy: str, folder: Path) -> Any:
    """Run the `opsin add` that a remedy names."""
    named = remedy.partition("opsin ")[2].partition(";")[0]
    return run(*named.replace("FOLDER", str(folder)).split())


def test_copies_that_are_missing_or_cut_are_put_back_by_adding_the_originals_again(
    copies: list[Path], photos: Path, run: Callable[..., Any]
) -> None:
    copies[0].unlink()
    copies[1].write_bytes(copies[1].read_bytes()[:100])
    ran = run("doctor", "--quick", "--json")
    assert ran.status == 1
    ((message, remedy),) = copies_of(ran)
    assert "2 copied pictures are missing or cut" in message
    assert "2 copied in" in follow(run, remedy, photos).out
    assert copies_of(run("doctor", "--json")) == [("6 copied pictures are there, with the right bytes", "")]
    assert "6 unchanged" in run("add", photos, "--copy").out


def test_copies_that_hold_other_bytes_are_put_back_from_originals_anywhere(
    copies: list[Path], photos: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    damage(copies[0])
    assert run("doctor", "--quick").status == 0  # the size is right
    ran = run("doctor", "--json")
    assert ran.status == 1
    ((message, remedy),) = copies_of(ran)
    assert f"1 copied pictures are damaged, e.g. {photos}" in message
    follow(run, remedy, photos)
    assert findings(run("doctor", "--json"))["copies"][0] == "ok"
    damage(copies[0])
    photos.rename(tmp_path / "elsewhere")
    follow(run, remedy, tmp_path / "elsewhere")
    assert findings(run("doctor", "--json"))["copies"][0] == "ok"


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_copies_are_put_back_from_a_backup(
    home: Path, copies: list[Path], tmp_path: Path, run: Callable[..., Any], name: str
) -> None:
    saved = tmp_path / name
    assert run("backup", saved).status == 0
    copies[0].unlink()
    damage(copies[1])
    take = f"cp -r {saved}/blobs {home}" if saved.is_dir() else f"tar -C {home} -xf {saved} blobs"
    subprocess.run(take.split(), check=True)
    assert findings(run("doctor", "--json"))["copies"][0] == "ok"


def test_originals_that_are_gone_are_a_warning_until_their_folder_is_added_again(
    home: Path, photos: Path, run: Callable[..., Any]
) -> None:
    (photos / "red-circle.jpg").unlink()
    (photos / "blue-circle.jpg").rename(photos / "moved.jpg")
    ran = run("doctor", "--quick", "--json")
    assert ran.status == 0
    state, remedy = findings(ran)["originals"]
    assert (state, "run `opsin add` on their folder again" in remedy) == ("warning", True)
    assert "1 moved, 1 vanished" in run("add", photos).out
    assert findings(run("doctor", "--quick", "--json"))["originals"][0] == "ok"


def test_a_vocabulary_that_is_broken_is_a_problem_until_it_is_mended(home: Path, run: Callable[..., Any]) -> None:
    path = home / "vocabularies" / "everyday.toml"
    text = path.read_text("utf-8")
    path.write_text(text + "nonsense = 1\n", "utf-8")
    state, remedy = findings(run("doctor", "--quick", "--json"))["vocabularies"]
    assert (state, remedy) == ("problem", "mend the file, then `opsin vocabulary check`")
    assert run("vocabulary", "check").status != 0
    path.write_text(text, "utf-8")
    assert run("vocabulary", "check").status == 0
    assert findings(run("doctor", "--quick", "--json"))["vocabularies"][0] == "ok"


@pytest.mark.parametrize("start", [0, 100, 8192])
def test_a_damaged_catalogue_is_found_and_a_backup_gives_the_library_back(
    home: Path, tmp_path: Path, run: Callable[..., Any], start: int
) -> None:
    run("backup", tmp_path / "saved")
    path = home / "catalogue.sqlite"
    data = bytearray(path.read_bytes())
    data[start : start + 2048] = b"\xff" * 2048
    path.write_bytes(data)
    ran = run("doctor", "--quick", "--json")
    assert ran.status == 1
    (remedy,) = [line["remedy"] for line in ran.lines if line["state"] == "problem"]
    command = remedy.removeprefix("restore a backup: opsin ")
    command = command.replace("BACKUP", str(tmp_path / "saved")).replace("NEW", str(tmp_path / "new"))
    assert run(*command.split()).status == 0
    assert run("doctor", "--library", tmp_path / "new").status == 0


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
    assert said == [
        f"quality is broken: {home / 'opsin.toml'}, line {line}: plugins.quality.nonsense: there is no such key"
    ]
    assert ran.status == 1
    assert findings(ran)["plugins"][0] == "problem"


def test_where_there_is_no_library_it_says_how_to_make_one(tmp_path: Path, run: Callable[..., Any]) -> None:
    ran = run("doctor", "--library", tmp_path / "nothing")
    assert ran.status == 1
    assert "opsin init" in ran.out
