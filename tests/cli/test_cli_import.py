"""`opsin import`: lines that make no sense are told by number, and what was cut off is done again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opsin


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ('"tags": [{"by": "person", "label": null}]', "Expected `str`, got `null`"),
        ('"tags": [{"by": "person", "label": 5}]', "Expected `str`, got `int`"),
        ('"tags": [{"by": "person"}]', "missing required field `label`"),
        ('"tags": [{"by": "nobody", "label": "dog"}]', "Invalid enum value 'nobody'"),
        ('"tags": "dog"', "Expected `array`"),
        ('"tags": [null]', "got `null`"),
        ('"said": {"dog": 1}', "Expected `bool`"),
        ('"said": {"": true}', "is no tag"),
        ('"owner": 5', "Expected `str"),
        ('"owner": "\\ud800"', "no JSON object"),
        ('"context": {"a": NaN}', "no JSON object"),
        (f'"context": {{"a": {"[" * 9999}{"]" * 9999}}}', "nested too deeply"),
    ],
)
def test_a_line_that_makes_no_sense_is_skipped_with_its_number_and_reason(
    home: Path, photos: Path, tmp_path: Path, run: Callable[..., Any], fields: str, reason: str
) -> None:
    place = json.dumps(str(photos / "red-circle.jpg"))
    lines = ["", f'{{"location": {place}, {fields}}}', f'{{"location": {place}, "tags": ["good"]}}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")
    ran = run("import", tmp_path / "in.jsonl", "--json")
    assert ran.status == 1
    assert [(entry["line"], entry["status"]) for entry in ran.lines] == [(2, "broken"), (3, "updated")]
    assert reason in ran.lines[0]["reason"]
    with opsin.open(home, readonly=True) as library:
        assert [tag.label for tag in library.get("red-circle.jpg").tags if tag.by == "person"] == ["good"]


@pytest.mark.parametrize(("data", "what"), [(b"PAR1\x15\x04\n" * 9, "a Parquet file"), (b"\xff\xfe{\0\n\0", "no text")])
def test_what_is_no_text_is_one_error_that_says_what_is_read(
    home: Path, tmp_path: Path, run: Callable[..., Any], data: bytes, what: str
) -> None:
    (tmp_path / "export.parquet").write_bytes(data)
    ran = run("import", tmp_path / "export.parquet")
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert f"this is {what}: what is imported are JSON lines" in ran.err


KILLED = """
import os, sys
import opsin
told = []
def die(entry):
    told.append(entry)
    if len(told) == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
with open(sys.argv[2], "rb") as lines, opsin.open(sys.argv[1]) as library:
    library.import_records(lines, progress=die)
"""


@pytest.mark.parametrize("moment", [1, 700])
def test_an_import_that_is_killed_keeps_whole_pages_and_goes_on_when_done_again(
    home: Path, photos: Path, tmp_path: Path, run: Callable[..., Any], moment: int
) -> None:
    names = sorted(path.name for path in photos.iterdir())
    records = [
        {"location": str(photos / names[number % 6]), "tags": [f"line_{number}"], "caption": f"line {number}"}
        for number in range(1100)
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, records)), "utf-8")
    command = [sys.executable, "-c", KILLED, str(home), str(tmp_path / "in.jsonl"), str(moment)]
    ended = subprocess.run(command, check=False, capture_output=True, env={**os.environ, "OPSIN_HOME": str(home)})
    assert ended.returncode == -9, ended.stderr.decode()
    pages = -(-moment // 500)
    with opsin.open(home, readonly=True) as library:
        kept = {tag.label for asset in library.list() for tag in asset.tags if tag.by == "person"}
        assert kept == {f"line_{number}" for number in range(500 * pages)}
    assert run("import", tmp_path / "in.jsonl").status == 0
    with opsin.open(home, readonly=True) as library:
        assert len({tag.label for asset in library.list() for tag in asset.tags if tag.by == "person"}) == 1100
        assert library.get(names[1099 % 6]).caption == "line 1099"
        assert not library.index.verify()


def test_a_file_of_something_else_is_told_of_in_a_few_lines(
    home: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\n" * 300)
    ran = run("import", tmp_path / "photo.jpg")
    assert (ran.status, ran.out) == (1, "300 records: 300 broken.\n")
    assert len(ran.err.splitlines()) == 21
    assert "--json tells of each" in ran.err.splitlines()[-1]
    assert len(run("import", tmp_path / "photo.jpg", "--json").lines) == 300
    (tmp_path / "empty").touch()
    assert run("import", tmp_path / "empty").out == "No record.\n"
