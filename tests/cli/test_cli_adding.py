"""`opsin add` and `opsin tag`: what they say, how promptly, and how they end."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from opsin.cli import adding
from opsin.errors import LibraryError, reason_of
from opsin.library import Added
from opsin.testing import jpeg_bytes, make_picture, png_bytes

OPSIN = [sys.executable, "-c", "from opsin.cli import main; main()"]
Run = Callable[..., Any]


def test_unchanged_pictures_come_with_their_assets(home: Path, photos: Path, run: Run) -> None:
    lines = run("add", photos, "--json").lines
    assert [line["status"] for line in lines] == ["unchanged"] * 6
    assert [line["asset"]["name"] for line in lines] == sorted(path.name for path in photos.iterdir())
    assert all(line["asset"]["tags"] for line in lines)


def test_what_vanished_is_in_the_summary_in_a_line_and_in_show_and_list(home: Path, photos: Path, run: Run) -> None:
    (photos / "red-circle.jpg").unlink()
    ran = run("add", photos)
    assert ran.status == 0
    assert "red-circle.jpg: vanished" in ran.out
    assert "5 pictures in " in ran.out
    assert "5 unchanged, 1 vanished." in ran.out
    shown = run("show", "red-circle.jpg", "--similar", 0)
    assert "(vanished)" in shown.out
    assert "red-circle.jpg (vanished)" in run("list", "--where", "vanished=yes").out
    (photos / "blue-circle.jpg").unlink()
    (line,) = [line for line in run("add", photos, "--json").lines if line["status"] == "vanished"]
    assert (line["source"], line["asset"]["name"]) == ("blue-circle.jpg", "blue-circle.jpg")


def test_an_emptied_folder_is_a_warning_and_an_option_confirms_it(home: Path, photos: Path, run: Run) -> None:
    for path in photos.iterdir():
        path.unlink()
    ran = run("add", photos)
    assert ran.status == 3
    assert f"{photos} is empty or missing" in ran.err
    assert "--mark-vanished" in ran.err
    assert "1 folder out of reach" in ran.out
    assert len(run("list", "--json").lines) == 6
    ran = run("add", photos, "--mark-vanished")
    assert (ran.status, "6 vanished" in ran.out) == (0, True)
    assert run("list", "--json").lines == []
    assert "nothing but 6 pictures that vanished: `opsin list --where vanished=yes`" in run("list").err
    assert run("search", "red").err.startswith("Nothing matches: there is no picture here")


def test_what_is_left_out_is_named_with_its_reason(home: Path, photos: Path, run: Run) -> None:
    for name in (".hidden.jpg", "a.txt", "b.txt", "c.txt", "d.txt"):
        (photos / name).write_bytes(b"x")
    out = run("add", photos).out
    assert "4 not named like a picture (a.txt, b.txt, c.txt, ...)" in out
    assert "1 hidden (.hidden.jpg); -v names all." in out
    assert f"{photos / 'd.txt'}: left out, not named like a picture" in run("add", photos, "-v").err
    left = [line for line in run("add", photos, "--json").lines if line["status"] == "left_out"]
    assert {"source": str(photos / "d.txt"), "status": "left_out", "reason": "not named like a picture"} in left
    assert len(left) == 5


def test_sidecars_that_a_shell_names_beside_their_pictures_are_left_out(home: Path, photos: Path, run: Run) -> None:
    assert run("export", "--xmp", "-l", home).status == 0
    added = run("add", *sorted(photos.iterdir()))
    assert (added.status, added.err) == (0, "")
    assert (
        "Left out: 6 named like a sidecar (blue-circle.jpg.xmp, blue-square.jpg.xmp, green-circle.jpg.xmp, ...)"
        in added.out
    )
    assert run("add", photos / "blue-circle.jpg.xmp").status == 1
    assert "Left out: 6 named like a sidecar" in run("add", f"{photos}/*.jpg.xmp").out
    (photos / "notes.txt").write_text("no picture")
    assert run("add", photos / "notes.txt").status == run("add", photos / "gone.xmp").status == 3


def test_the_same_bytes_under_another_name_are_not_said_to_be_passed_over(home: Path, photos: Path, run: Run) -> None:
    (photos / "again.jpg").write_bytes((photos / "red-square.jpg").read_bytes())
    assert "1 added again under another name (same bytes)" in run("add", photos / "again.jpg").out


def test_a_library_within_the_folder_that_is_added_stays_out_of_it(home: Path, photos: Path, run: Run) -> None:
    inside = photos / "opsin-library"
    home.rename(inside)
    assert run("add", photos, "--copy", "--library", inside).status == 0
    assert run("list", "--library", inside, "--json").lines
    preview = inside / "previews" / "00" / "made.webp"
    preview.parent.mkdir(parents=True)
    preview.write_bytes(jpeg_bytes(make_picture("green", "ring", 64)))
    for named in (photos, photos / "**" / "*.webp", inside, inside / "previews"):
        run("add", named, "--library", inside)
    assert len(run("list", "--library", inside, "--json").lines) == 6


def test_one_picture_is_one_picture(home: Path, photos: Path, run: Run) -> None:
    assert "1 picture in " in run("add", photos / "red-circle.jpg").out


class SlowToLoad:
    """As much of a library as the loop of `opsin add` calls."""

    loaded_at = 0.0

    def load(self) -> None:
        time.sleep(0.01)
        self.loaded_at = time.monotonic()

    def add_each(self, *_: object, **__: object) -> Iterator[Added]:
        yield Added(source="a.jpg", status="unchanged", id="1")


def test_the_seconds_of_the_summary_begin_when_the_models_are_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    library, lines = SlowToLoad(), adding.Lines(quiet=False, verbose=False)
    counts: Counter[str] = Counter()
    adding.follow(cast("Any", library), ["a.jpg"], lines, {}, counts)
    assert library.loaded_at > 0
    assert lines.begun >= library.loaded_at
    lines.end(counts)
    assert "1 picture in 0.0 s: 1 unchanged." in capsys.readouterr().out


class Full:
    """As much of a library on a disk that runs full as `opsin add` calls."""

    def load(self) -> None:
        pass

    def add_each(self, *_: object, **__: object) -> Iterator[Added]:
        yield Added(source="a.jpg", status="added", id="1")
        raise LibraryError(reason_of(OSError(errno.ENOSPC, "No space left on device")))


def test_an_error_in_the_middle_comes_after_what_was_added_and_that_it_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "reach", lambda *_, **__: nullcontext(Full()))
    ran = run("add", "-")
    assert ran.status == 4
    assert "1 picture in 0.0 s: 1 added." in ran.out
    assert ran.err.splitlines() == [
        "What was added is kept; the same command goes on where this one stopped.",
        "Error: No space left on device: free some space, then do it again",
    ]


@pytest.mark.parametrize(
    "command",
    [
        ["export", "out.jsonl"],
        ["backup", "out"],
        ["backup", "out.tar"],
        ["vocabulary", "edit", "everyday", "dog", "--synonym", "hound"],
    ],
    ids=" ".join,
)
def test_what_finds_no_room_says_what_to_do_about_it(
    home: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        ran = run(*command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran.status == 4
    assert "the limit on the size of files" in ran.err


def test_tagging_a_folder_without_pictures_is_an_error_like_adding_it(home: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    for command in ("add", "tag"):
        ran = run(command, tmp_path / "empty")
        assert (ran.status, ran.out) == (1, "")
        assert "No picture was found there." in ran.err


def test_many_pictures_are_tagged_in_order_and_a_broken_one_ends_nothing(home: Path, photos: Path, run: Run) -> None:
    (photos / "broken.jpg").write_bytes(b"this is no picture")
    ran = run("tag", photos, photos / "red-circle.jpg", "--json")
    assert ran.status == 3
    names = sorted(path.name for path in photos.iterdir())
    assert [line["source"] for line in ran.lines] == [*names, "red-circle.jpg"]
    assert all({"source", "status", "tags", "matches"} <= line.keys() for line in ran.lines)
    assert [line["location"] for line in ran.lines if line["status"] == "refused"] == [str(photos / "broken.jpg")]
    added = run("add", photos)
    assert added.err.startswith(f"{photos / 'broken.jpg'}: ")


def test_removing_a_tag_that_is_not_there_says_so(home: Path, run: Run) -> None:
    ran = run("label", "red-circle.jpg", "--remove", "made_up_tag", "--remove", "red")
    assert ran.status == 0
    assert "It did not carry the tag made_up_tag" in ran.err
    assert "tag red" not in ran.err
    assert run("label", "red-circle.jpg", "--remove", "made_up_tag", "--json").lines[0]["absent"] == ["made_up_tag"]


@pytest.mark.parametrize("command", ["add", "tag"])
def test_each_name_of_a_list_is_answered_before_the_next_one_comes(home: Path, photos: Path, command: str) -> None:
    with subprocess.Popen(
        [*OPSIN, command, "-", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("red-circle.jpg", "caf\udce9.jpg", "blue-circle.jpg"):
            path = photos / name
            if not path.exists():
                path.write_bytes(jpeg_bytes(make_picture("green", "ring", 80)))
            process.stdin.write(os.fsencode(path) + b"\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
            assert told["source"] == name.replace("\udce9", "\\udce9")
            assert "problem" not in told
        process.stdin.close()
        assert process.wait() == 0


def test_ctrl_c_while_waiting_for_names_is_one_line(home: Path, photos: Path) -> None:
    with subprocess.Popen(
        [*OPSIN, "add", "-", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{photos / 'red-circle.jpg'}\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(2)
        assert process.stderr is not None
        assert process.stderr.read().strip() == "Interrupted; what was done before is kept."
        assert process.wait() == 130


def test_a_limit_on_the_size_of_files_is_one_line_and_status_4(home: Path, photos: Path, run: Run) -> None:
    with (photos / "red-circle.jpg").open("ab") as file:
        file.write(bytes(300_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        ran = run("tag", photos / "red-circle.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran.status == 4
    assert "ulimit -a" in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_after_the_first_twenty_pictures_it_says_once_that_there_are_more(home: Path, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(23):
        (folder / f"{number:02}.png").write_bytes(png_bytes(make_picture("red", "square", 16 + number)))
    lines = run("add", folder).out.splitlines()
    assert len(lines) == 22
    assert [line for line in lines if "-v names all" in line] == [lines[20]]
    assert lines[21].startswith("23 pictures in")
    assert len(run("add", folder, "-v").out.splitlines()) == 24
    assert run("add", folder, "-q").out.startswith("23 pictures in")


@pytest.mark.parametrize("command", ["add", "tag"])
def test_a_folder_without_a_picture_prints_nothing_but_json_where_json_is_wanted(
    command: str, home: Path, tmp_path: Path, run: Run
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert run(command, folder) == (1, "", "No picture was found there.\n")
    assert run(command, folder, "--json") == (1, "", "")
    (folder / "notes.txt").write_text("no picture", "utf-8")
    ran = run(command, folder, "--json")
    assert (ran.status, ran.err) == (1, "")
    assert [entry["status"] for entry in ran.lines] == ["left_out"]


def test_a_fact_that_is_said_twice_is_wrong_usage(home: Path, photos: Path, run: Run) -> None:
    ran = run("add", photos, "--context", "trip=1", "--context", "trip=2")
    assert (ran.status, ran.out) == (2, "")
    assert "'trip=2' says again what trip is" in ran.err
