"""The commands of every day: what they print, as JSON and for people, and their exit statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opsin


def test_a_library_is_made_filled_and_searched(
    tmp_path: Path, photos: Path, made_once: Path, run: Callable[..., Any]
) -> None:
    root = tmp_path / "new"
    root.mkdir()
    (root / "opsin.toml").write_bytes((made_once / "library" / "opsin.toml").read_bytes())
    ran = run("init", "--encoder", "fake", "--library", root, "--json")
    assert ran.lines[0]["encoder"] == "fake"
    assert run("init", "--library", root).status == 4
    ran = run("add", photos, "--library", root, "--owner", "ann", "--tag", "Summer", "--context", "trip=alps", "--json")
    assert ran.status == 0
    assert [entry["status"] for entry in ran.lines] == ["added"] * 6
    ran = run("search", "red", "--library", root, "--owner", "ann", "--tag", "summer", "--all", "--json", "-n", 2)
    assert sorted(entry["asset"]["name"] for entry in ran.lines if "asset" in entry) == [
        "red-circle.jpg",
        "red-square.jpg",
    ]
    assert "unchanged" in run("add", photos, "--library", root).out


def test_lists_tables_and_counts_agree(home: Path, run: Callable[..., Any]) -> None:
    listed = run("list", "--json").lines
    assert len(listed) == 6
    assert len(run("list").out.splitlines()) >= 7
    tags = {entry["label"]: entry["count"] for entry in run("tags", "--json").lines}
    assert tags["red"] == 2
    assert run("list", "-w", "tag=red", "--json").lines == [
        entry for entry in listed if "red" in [tag["label"] for tag in entry["tags"]]
    ]


def test_one_picture_is_shown_labelled_and_explained(home: Path, run: Callable[..., Any]) -> None:
    shown = run("show", "red-circle.jpg", "--json").lines[0]
    assert shown["similar"][0]["asset"]["name"] == "red-square.jpg"
    assert run("show", shown["asset"]["id"][:18]).status == 0
    told = run("explain", "red-circle.jpg", "red", "--json").lines[0]
    assert told["tagged"]
    assert run("label", "red-circle.jpg", "--remove", "red").status == 0
    assert "a person removed it" in run("explain", "red-circle.jpg", "red").out


def test_pictures_are_tagged_without_being_stored(home: Path, photos: Path, run: Callable[..., Any]) -> None:
    ran = run("tag", photos / "blue-circle.jpg", "--json")
    assert ran.status == 0
    assert "blue" in [tag["label"] for tag in ran.lines[0]["tags"]]
    assert len(run("list", "--json").lines) == 6


def test_duplicates_and_the_index_have_their_commands(home: Path, run: Callable[..., Any]) -> None:
    assert run("duplicates", "--threshold", "0.999999").status == 1
    assert run("duplicates", "--threshold", "0.2").status == 0
    assert run("index", "status", "--json").lines[0]["vectors"] == 6
    assert run("index", "verify").status == 0
    assert run("index", "rebuild", "--json").lines == [{"vectors": 6}]


def test_a_refused_file_ends_with_three_and_the_others_are_added(
    home: Path, photos: Path, run: Callable[..., Any]
) -> None:
    (photos / "bad.jpg").write_bytes(b"nothing")
    ran = run("add", photos)
    assert ran.status == 3
    assert "bad.jpg" in ran.err
    assert "6 unchanged" in ran.out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["search"], 2),
        (["search", "red", "--cursor", "nonsense"], 2),
        (["search", "red", "--where", "nonsense=1"], 2),
        (["search", "red", "--library", "nowhere"], 4),
        (["show", "nothing.jpg"], 2),
        (["label", "red-circle.jpg"], 2),
        (["list", "--where", "owner=nobody"], 1),
        (["list", "--where", "tag=nothing_like_this"], 2),
        (["search", "   "], 2),
        (["reanalyse", "--categorizer", "nothing"], 2),
        (["no-such-command"], 2),
        (["add", "/nothing/here.jpg"], 3),
        (["completion", "tcsh"], 2),
    ],
)
def test_exit_statuses_are_those_that_the_page_names(
    home: Path, run: Callable[..., Any], arguments: list[str], status: int
) -> None:
    ran = run(*arguments)
    assert ran.status == status
    assert ran.err.strip() or status == 0
    assert "Traceback" not in ran.err


def test_a_busy_library_names_its_owner(home: Path, photos: Path, run: Callable[..., Any]) -> None:
    with opsin.open(home):
        ran = run("add", photos)
        assert ran.status == 4
        assert f"this process has {home} open already: use what it opened" in ran.err
        (home / "owner").write_text("1", "utf-8")
        ran = run("label", "red-circle.jpg", "--add", "keeper")
        assert f"{home} is in use by process 1: wait for it, or stop it" in ran.err
        assert "`opsin serve`" in ran.err
        assert run("search", "red", "--all").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--library", "{home}", "--json", "search", "red", "--all"],
        ["--json", "search", "red", "--all", "-l", "{home}"],
        ["-l", "{home}", "vocabulary", "--json", "list"],
        ["index", "-l", "{home}", "--json", "status"],
        ["plugins", "--library", "{home}", "--json", "show", "fake"],
        ["encoders", "-l", "{home}", "--json", "list"],
    ],
)
def test_the_library_and_json_may_stand_before_the_command(
    home: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("OPSIN_HOME", "nowhere")
    ran = run(*(argument.replace("{home}", str(home)) for argument in arguments))
    assert ran.status == 0, ran.err
    assert ran.lines


def test_what_stands_after_the_command_wins(home: Path, run: Callable[..., Any]) -> None:
    assert run("--library", "nowhere", "list", "-l", home).status == 0
    assert run("-l", home, "list", "-l", "nowhere").status == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["tags"],
        ["show", "red-circle.jpg"],
        ["search", "red", "--all"],
        ["explain", "red-circle.jpg", "red"],
        ["duplicates", "--threshold", "0.2"],
        ["index", "status"],
        ["index", "verify"],
        ["plugins"],
        ["plugins", "show", "fake"],
        ["encoders"],
        ["vocabulary", "list"],
        ["vocabulary", "show", "everyday"],
        ["vocabulary", "check"],
        ["doctor", "--quick"],
    ],
)
def test_json_is_one_object_a_line(home: Path, run: Callable[..., Any], arguments: list[str]) -> None:
    ran = run(*arguments, "--json")
    assert ran.status == 0, ran.err
    assert ran.out
    assert all(isinstance(json.loads(line), dict) for line in ran.out.splitlines())
    assert run(*arguments).out != ran.out


def test_a_new_library_says_what_comes_next_and_is_sound(
    tmp_path: Path, made_once: Path, run: Callable[..., Any]
) -> None:
    root = tmp_path / "new"
    root.mkdir()
    (root / "opsin.toml").write_bytes((made_once / "library" / "opsin.toml").read_bytes())
    run("init", "--encoder", "fake", "--library", root)
    listed = run("list", "--library", root)
    assert (listed.status, listed.out) == (1, "")
    assert "opsin add" in listed.err
    index = [entry for entry in run("doctor", "--library", root, "--json").lines if entry["area"] == "index"]
    assert [entry["state"] for entry in index] == ["ok"]
    assert "remedy" not in index[0]


def test_a_label_that_nobody_knows_comes_with_what_looks_like_it_or_what_lists_them_all(
    home: Path, run: Callable[..., Any]
) -> None:
    assert "did you mean red" in run("search", "square", "--tag", "redd").err
    assert "opsin tags" in run("search", "square", "--tag", "zzzzzz").err


def test_with_json_nothing_else_is_on_standard_output_whatever_prints(
    home: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = opsin.Library.tags

    def noisy(self: opsin.Library) -> Any:
        print("a plugin of this process has something to say")
        return tags(self)

    monkeypatch.setattr(opsin.Library, "tags", noisy)
    ran = run("tags", "--json")
    assert ran.lines
    assert ran.err == "a plugin of this process has something to say\n"
    assert "something to say" in run("tags").out
