"""`opsin export` and `opsin import`: what goes out comes in again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

import opsin


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_record_holds_all_that_is_known_of_an_asset(home: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    run("label", "red-circle.jpg", "--add", "keeper", "--remove", "red")
    out = tmp_path / "out.jsonl"
    assert "Wrote 6 pictures" in run("export", out).out
    records = {record["name"]: record for record in read_lines(out)}
    record = records["red-circle.jpg"]
    assert record["said"] == {"keeper": True, "red": False}
    assert {tag["label"] for tag in record["tags"]} & {"keeper", "red"} == {"keeper"}
    assert {report["categorizer"] for report in record["reports"]} >= {"fake", "quality", "zero_shot/everyday"}
    with opsin.open(home, readonly=True) as library:
        assert record["sha256"] == library.get("red-circle.jpg").sha256


def test_conditions_choose_what_goes_out_and_a_dash_means_standard_output(home: Path, run: Callable[..., Any]) -> None:
    ran = run("export", "-", "--where", "tag=red")
    assert [record["name"] for record in ran.lines] == ["red-circle.jpg", "red-square.jpg"]


def test_what_people_said_of_a_vanished_picture_goes_out_too(
    home: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    with opsin.open(home, readonly=True) as library:
        photo = Path(library.get("red-circle.jpg").location)
    run("label", "red-circle.jpg", "--add", "keeper")
    photo.unlink()
    run("add", photo.parent)
    assert run("list", "--json", "--where", "tag=keeper").lines == []
    assert "Wrote 6 pictures and 6 vectors" in run("export", tmp_path / "all.jsonl", "--vectors", "npy").out
    (record,) = [each for each in read_lines(tmp_path / "all.jsonl") if each["said"]]
    assert (record["name"], record["said"], bool(record["vanished_at"])) == ("red-circle.jpg", {"keeper": True}, True)
    assert [each["name"] for each in run("export", "-", "--where", "tag=keeper").lines] == ["red-circle.jpg"]
    assert len(run("export", "-", "--where", "vanished=no").lines) == 5


def test_vectors_come_in_the_order_of_their_ids(home: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    assert run("export", tmp_path / "out.jsonl", "--vectors", "npy").status == 0
    matrix = np.load(tmp_path / "out.vectors.npy")
    names = read_lines(tmp_path / "out.vectors.jsonl")
    assert matrix.shape == (6, 64)
    assert matrix.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(matrix.astype(np.float32), axis=1), 1, atol=2e-3)
    with opsin.open(home, readonly=True) as library:
        for row, name in zip(matrix, names, strict=True):
            hit = library.similar(name["id"], limit=1)[0]
            other = matrix[[each["id"] for each in names].index(hit.asset.id)]
            assert hit.similarity == pytest.approx(float(row.astype(np.float32) @ other.astype(np.float32)), abs=2e-3)


def test_parquet_holds_the_same_as_json(home: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    run("export", tmp_path / "out.jsonl")
    assert run("export", tmp_path / "out.parquet", "--vectors", "parquet").status == 0
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    records = read_lines(tmp_path / "out.jsonl")
    for row, record in zip(rows, records, strict=True):
        assert {name: row[name] for name in ("id", "location", "sha256", "width", "added_at")} == {
            name: record[name] for name in ("id", "location", "sha256", "width", "added_at")
        }
        assert [tag["label"] for tag in row["tags"]] == [tag["label"] for tag in record["tags"]]
        assert json.loads(row["reports"]) == record["reports"]
    vectors = pyarrow.parquet.read_table(tmp_path / "out.vectors.parquet")
    assert vectors.num_rows == 6
    assert vectors.schema.metadata[b"encoder"] == b"fake"


def test_without_pyarrow_parquet_names_the_extra(
    home: Path, tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ran = run("export", tmp_path / "out.parquet")
    assert ran.status == 2
    assert "opsin[parquet]" in ran.err
    assert not (tmp_path / "out.parquet").exists()


def test_an_export_replaces_a_file_only_when_told_to(home: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    ran = run("export", out)
    assert ran.status == 2
    assert "--force" in ran.err
    assert out.read_text() == "mine"
    assert run("export", out, "--force").status == 0
    assert len(read_lines(out)) == 6
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--merge", "x.jsonl"],
        ["-", "--xmp"],
        ["-", "--vectors", "npy"],
        ["-", "--format", "parquet"],
        ["x", "-w", "nix=1"],
    ],
)
def test_an_export_without_sense_is_refused(home: Path, run: Callable[..., Any], arguments: list[str]) -> None:
    assert run("export", *arguments).status == 2


def test_the_ending_of_the_name_says_the_format_and_one_that_is_not_written_is_refused(
    home: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    for name in ("out.csv", "out.parquet.gz"):
        ran = run("export", tmp_path / name)
        assert (ran.status, ".jsonl" in ran.err, ".parquet" in ran.err) == (2, True, True)
        assert not (tmp_path / name).exists()
    assert run("export", tmp_path / "out.csv", "--format", "jsonl").status == 0
    assert len(read_lines(tmp_path / "out.csv")) == 6
    assert run("export", tmp_path / "out.PARQUET").status == 0
    assert pyarrow.parquet.read_table(tmp_path / "out.PARQUET").num_rows == 6


def test_an_export_to_a_folder_that_is_not_there_says_so(home: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    ran = run("export", tmp_path / "nowhere" / "out.jsonl")
    assert ran.status == 4
    assert "No such file" in ran.err


def test_an_empty_library_exports_empty_files(library: opsin.Library, tmp_path: Path, run: Callable[..., Any]) -> None:
    library.close()
    ran = run("export", tmp_path / "out.jsonl", "--vectors", "npy", "--library", library.path)
    assert ran.status == 0
    assert np.load(tmp_path / "out.vectors.npy").shape == (0, 0)
    assert (tmp_path / "out.jsonl").read_text() == ""


def test_what_people_said_comes_in_again_and_only_once(
    home: Path, photos: Path, tmp_path: Path, run: Callable[..., Any], make_library: Callable[..., opsin.Library]
) -> None:
    with opsin.open(home) as library:
        library.tag("red-circle.jpg", add=["keeper"], remove=["red"])
        library.add(photos / "blue-square.jpg", owner="ann")
    run("export", tmp_path / "out.jsonl")
    other = make_library("other")
    other.add(photos)
    other.close()
    ran = run("import", tmp_path / "out.jsonl", "--library", other.path, "--json")
    assert ran.status == 0
    changed = {Path(entry["location"]).name: entry.get("changed") for entry in ran.lines}
    assert changed["red-circle.jpg"] == ["tags"]
    assert {entry["status"] for entry in run("import", tmp_path / "out.jsonl", "-l", other.path, "--json").lines} == {
        "unchanged"
    }
    with opsin.open(other.path, readonly=True) as library:
        labels = [tag.label for tag in library.get("red-circle.jpg").tags]
        assert "keeper" in labels
        assert "red" not in labels


def test_a_record_finds_a_picture_that_moved_by_its_bytes(
    home: Path, photos: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    with opsin.open(home, readonly=True) as library:
        sha256 = library.get("green-square.jpg").sha256
    lines = [
        {"location": "/elsewhere/green.jpg", "sha256": sha256, "owner": "ann", "caption": "Green", "context": {"a": 1}},
        {"sha256": sha256.upper(), "tags": ["Nice One", {"label": "model_said", "by": "model", "score": 0.9}]},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert run("import", tmp_path / "in.jsonl").status == 0
    with opsin.open(home, readonly=True) as library:
        asset = library.get("green-square.jpg")
    assert (asset.owner, asset.caption, asset.context) == ("ann", "Green", {"a": 1})
    labels = [tag.label for tag in asset.tags]
    assert "nice_one" in labels
    assert "model_said" not in labels


def test_what_matches_nothing_and_what_is_broken_is_told_and_stops_nothing(
    home: Path, photos: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    lines = [
        '{"location": "/nowhere.jpg", "owner": "x"}',
        "{ not json",
        '{"owner": "x"}',
        '{"location": "a", "sha256": "abc"}',
        '{"location": "a", "tags": ["!!!"]}',
        "",
        json.dumps({"location": str(photos / "red-circle.jpg"), "owner": "ann"}),
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")
    ran = run("import", tmp_path / "in.jsonl", "--json")
    assert ran.status == 1
    assert [entry["status"] for entry in ran.lines] == ["unmatched", *["broken"] * 4, "updated"]
    assert [entry["line"] for entry in ran.lines] == [1, 2, 3, 4, 5, 7]
    assert all(entry["reason"] for entry in ran.lines[:5])
    told = run("import", tmp_path / "in.jsonl")
    assert "line 2" in told.err
    assert "4 broken" in told.out
