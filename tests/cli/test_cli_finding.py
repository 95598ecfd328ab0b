"""What a weight behind a picture is, and what it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsin.cli.finding import weighted
from opsin.errors import UsageError
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("x.jpg", ("x.jpg", 1.0)),
        ("x.jpg:0.5", ("x.jpg", 0.5)),
        ("x.jpg:-2", ("x.jpg", -2.0)),
        ("https://host/x.jpg", ("https://host/x.jpg", 1.0)),
        ("https://host/x.jpg:0.5", ("https://host/x.jpg", 0.5)),
        ("https://host:8080", ("https://host:8080", 1.0)),
        ("https://host:8080/x.jpg", ("https://host:8080/x.jpg", 1.0)),
        ("https://host:8080/x.jpg:0.5", ("https://host:8080/x.jpg", 0.5)),
        ("https://host:8080:0.5", ("https://host:8080", 0.5)),
        ("https://host/a:b.jpg", ("https://host/a:b.jpg", 1.0)),
        ("s3://bucket/x.jpg:2", ("s3://bucket/x.jpg", 2.0)),
        ("data:image/png;base64,AAAA", ("data:image/png;base64,AAAA", 1.0)),
    ],
)
def test_a_weight_stands_behind_the_picture_and_a_port_is_none(entry: str, expected: tuple[str, float]) -> None:
    assert weighted(entry) == expected


def test_what_should_be_a_weight_and_is_no_number_is_an_error_that_says_so() -> None:
    with pytest.raises(UsageError, match=r"'abc' is no weight, and there is no file 'x.jpg:abc'"):
        weighted("x.jpg:abc")


def test_a_file_whose_name_has_a_colon_is_meant_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x.jpg:abc", "x.jpg:2"):
        Path(name).write_bytes(b"")
        assert weighted(name) == (name, 1.0)


def test_nothing_matches_by_a_rule_that_was_not_measured_for_the_encoder_says_so(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsin.services.base.unmeasured.LEAST", 5)
    found = run("search", "something so red")
    assert (found.status, found.err) == (0, "")
    missing = run("search", "something so purple")
    assert (missing.status, missing.out) == (1, "")
    assert missing.err.startswith("Nothing matches (the nearest scores 0.")
    assert "not measured for this encoder" in missing.err


def test_a_hybrid_search_finds_by_caption_too(run: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "trip.jpg").write_bytes(jpeg_bytes(make_picture("cyan", "cross", 64)))
    assert run("add", "--caption", "Zephyrine at the beach", tmp_path / "trip.jpg").status == 0
    assert "trip.jpg" in run("search", "zephyrine", "--hybrid").out.splitlines()[1]


@pytest.mark.usefixtures("home")
def test_an_example_is_one_picture(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, count in ((photos, "more than one picture"), (tmp_path / "empty", "no picture")):
        ran = run("search", "--like", folder)
        assert (ran.status, ran.out) == (2, "")
        assert f"holds {count}: an example is one picture" in ran.err


def test_a_search_that_cannot_find_anything_says_why(run: Run, home: Path, photos: Path) -> None:
    saved = run("searches", "create", "red", "--where", "owner=nobody", "--json").lines[0]["id"]
    for words in (
        ("search", "red", "--like", photos / "red-square.jpg", "--where", "owner=nobody"),
        ("search", "red", "--owner", "nobody", "--hybrid"),
        ("searches", "run", saved),
    ):
        found = run(*words)
        assert (found.status, found.err) == (1, "Nothing matches: no picture meets the conditions.\n")
    for command in (("search",), ("searches", "create")):
        several = run(*command, "a", "dog")
        assert (several.status, several.out) == (2, "")
        assert f'put words in quotes, as in opsin {" ".join(command)} "a dog", and --like before each' in several.err
    for name in ("nofile.jpg:0.5", "folder/nofile.jpg"):
        nowhere = run("search", "red", "--like", name)
        assert nowhere.status == 2
        assert f"'{name.removesuffix(':0.5')}' is neither a file here nor an asset of this library" in nowhere.err
