from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsin.errors import LimitExceeded, SourceUnavailable
from opsin.intake.sources import Source, expand, locate, split_list
from opsin.settings import Settings

SETTINGS = Settings()


def fill(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def names(sources: Sequence[Source], folder: Path) -> list[str]:
    return [str(Path(source.location).relative_to(folder)) for source in sources]


def find(*arguments: object, **options: object) -> list[Source]:
    return list(expand([str(argument) for argument in arguments], settings=SETTINGS, **options))  # type: ignore[arg-type]


def test_a_folder_is_walked_in_a_fixed_order_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, ["b.jpg", "a.PNG", "c/z.webp", "c/a.heic", ".hidden.jpg", ".git/x.jpg", "notes.txt", "d/e/f.gif"])
    skipped: Counter[str] = Counter()
    found = find(tmp_path, skipped=skipped)
    assert names(found, tmp_path) == ["a.PNG", "b.jpg", "c/a.heic", "c/z.webp", "d/e/f.gif"]
    assert skipped == {"hidden": 2, "not named like a picture": 1}


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    fill(tmp_path, ["picture.dat"])
    (source,) = find(tmp_path / "picture.dat")
    assert (source.kind, source.name, source.size) == ("file", "picture.dat", 11)
    assert source.mtime_ns == (tmp_path / "picture.dat").stat().st_mtime_ns
    assert source.read(11) == b"picture.dat"


def test_links_that_lead_in_circles_are_walked_once(tmp_path: Path) -> None:
    fill(tmp_path, ["a/1.jpg", "b/2.jpg"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "over").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    skipped: Counter[str] = Counter()
    assert names(find(tmp_path, skipped=skipped), tmp_path) == ["a/1.jpg", "b/2.jpg"]
    assert skipped["folder seen before"] == 2


def test_a_library_within_a_folder_is_not_walked(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg", "opsin-library/opsin.toml", "opsin-library/blobs/b.jpg"])
    skipped: Counter[str] = Counter()
    assert names(find(tmp_path, skipped=skipped), tmp_path) == ["a.jpg"]
    assert skipped["library"] == 1


def test_a_glob_matches_sorted_without_hidden_files(tmp_path: Path) -> None:
    fill(tmp_path, ["b.jpg", "a.jpg", "a.txt", ".c.jpg", "d/e.jpg", "d/f/g.jpg"])
    assert names(find(tmp_path / "*.jpg"), tmp_path) == ["a.jpg", "b.jpg"]
    assert names(find(tmp_path / "**" / "*.jpg"), tmp_path) == ["a.jpg", "b.jpg", "d/e.jpg", "d/f/g.jpg"]
    assert names(find(tmp_path / "*"), tmp_path) == ["a.jpg", "b.jpg", "d/e.jpg", "d/f/g.jpg"]


def test_a_relative_glob_starts_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, ["d/e.jpg"])
    monkeypatch.chdir(tmp_path)
    assert [source.location for source in find("*/e.???")] == [str(tmp_path / "d" / "e.jpg")]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    fill(tmp_path, ["a[1].jpg", "a1.jpg"])
    assert names(find(tmp_path / "a[1].jpg"), tmp_path) == ["a[1].jpg"]


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("missing.jpg", "does not exist"),
        ("missing/*.jpg", "Nothing matches"),
        ("ftp://example.org/a.jpg", "ftp://"),
        ("", "empty"),
        ("data:image/png;base64", "comma"),
        ("data:image/png;base64,@@@", "not well formed"),
        ("http://user:secret@example.org/", "user name"),
        ("http:///a.jpg", "no host"),
        ("file://elsewhere/a.jpg", "another machine"),
        ("a\0b.jpg", "NUL"),
    ],
)
def test_a_name_that_leads_nowhere_is_an_error_of_its_own(
    argument: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, ["good.jpg"])
    bad, good = find(argument, "good.jpg")
    with pytest.raises(SourceUnavailable, match=reason):
        bad.read(100)
    assert good.read(100) == b"good.jpg"


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg"])
    (source,) = find(tmp_path / "a.jpg")
    assert source.read(5) == b"a.jpg"
    with pytest.raises(LimitExceeded) as caught:
        source.read(4)
    assert caught.value.limit == "decode.max_bytes"


def test_a_pipe_or_a_device_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
        (source,) = find(path)
        with pytest.raises(SourceUnavailable, match="not an ordinary file"):
            source.read(100)


def test_a_data_uri_is_decoded_and_known_by_its_content() -> None:
    encoded = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    first, second = find(encoded, "data:,%89PNG")
    assert (first.kind, first.size, first.read(4)) == ("data", 4, b"\x89PNG")
    assert first.location == second.location
    with pytest.raises(LimitExceeded):
        first.read(3)


def test_a_list_may_be_separated_by_lines_or_by_nul(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg", "with\nbreak.jpg", "f/b.jpg"])
    lines = [f"{tmp_path}/a.jpg\r\n", "\n", f"{tmp_path}/f"]
    assert names(find("-", stdin=lines), tmp_path) == ["a.jpg", "f/b.jpg"]
    whole = f"{tmp_path}/with\nbreak.jpg\0{tmp_path}/a.jpg\0"
    assert names(find("-", stdin=[whole]), tmp_path) == ["with\nbreak.jpg", "a.jpg"]


def test_a_list_may_be_cut_anywhere() -> None:
    text = "one\ntwo\r\nthree"
    assert list(split_list(text)) == ["one", "two", "three"]
    assert list(split_list([text])) == ["one", "two", "three"]


def test_names_in_a_list_are_no_patterns(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg"])
    (source,) = find("-", stdin=[f"{tmp_path}/*.jpg"])
    with pytest.raises(SourceUnavailable):
        source.read(10)


def test_a_location_leads_back_to_its_file_even_where_the_name_is_not_utf8(tmp_path: Path) -> None:
    fill(tmp_path, ["plain [1].jpg"])
    odd = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    try:
        Path(os.fsdecode(odd)).write_bytes(b"odd")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    for source in find(tmp_path):
        source.location.encode("utf-8")
        source.name.encode("utf-8")
        again = locate(source.location, settings=SETTINGS)
        assert again.location == source.location
        assert again.read(100) == source.read(100)


def test_a_file_url_is_a_file(tmp_path: Path) -> None:
    fill(tmp_path, ["a b.jpg"])
    (source,) = find(f"file://{tmp_path}/a%20b.jpg")
    assert source.location == str(tmp_path / "a b.jpg")
