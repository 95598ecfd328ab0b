"""Which pictures a path, folder, glob, list or data URI stands for, and what is left out with which reason."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsin.errors import LimitExceeded, SourceUnavailable
from opsin.intake.places import Places, Scope
from opsin.intake.sources import LeftOut, Source, expand, locate, split_list
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
    skipped: list[LeftOut] = []
    found = find(tmp_path, left_out=skipped.append)
    assert names(found, tmp_path) == ["a.PNG", "b.jpg", "c/a.heic", "c/z.webp", "d/e/f.gif"]
    assert skipped == [
        LeftOut(str(tmp_path / name), reason)
        for name, reason in ((".git", "hidden"), (".hidden.jpg", "hidden"), ("notes.txt", "not named like a picture"))
    ]


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
    skipped: list[LeftOut] = []
    assert names(find(tmp_path, left_out=skipped.append), tmp_path) == ["a/1.jpg", "b/2.jpg"]
    assert Counter(entry.reason for entry in skipped)["folder seen before"] == 2


@pytest.mark.parametrize("mark", ["opsin.toml", "catalogue.sqlite"])
def test_a_library_within_a_folder_is_not_walked(tmp_path: Path, mark: str) -> None:
    fill(tmp_path, ["a.jpg", f"opsin-library/{mark}", "opsin-library/previews/00/b.jpg", "opsin-library/blobs/b.jpg"])
    skipped: list[LeftOut] = []
    assert names(find(tmp_path, left_out=skipped.append), tmp_path) == ["a.jpg"]
    assert skipped == [LeftOut(str(tmp_path / "opsin-library"), "library")]
    assert names(find(tmp_path / "**" / "*.jpg"), tmp_path) == ["a.jpg"]
    assert names(find(tmp_path / "*"), tmp_path) == ["a.jpg"]
    assert find(tmp_path / "opsin-library" / "previews") == []


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


def scopes_of(*arguments: object) -> list[Scope]:
    found: list[Scope] = []
    find(*arguments, scopes=found)
    return found


def test_a_glob_covers_what_it_would_match_and_what_lies_in_folders_that_it_matches(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg"])
    (scope,) = scopes_of(tmp_path / "20??" / "*.jpg")
    inside = {
        name: scope.covers(str(tmp_path / name)) for name in ("2024/a.jpg", "2024/a.png", "24/a.jpg", "2024/x/a.jpg")
    }
    assert inside == {"2024/a.jpg": True, "2024/a.png": False, "24/a.jpg": False, "2024/x/a.jpg": False}
    assert scope.covers(str(tmp_path / "2024" / "folder.jpg" / "a.png"))
    (deep,) = scopes_of(tmp_path / "**" / "*.jpg")
    assert deep.covers(str(tmp_path / "a.jpg"))
    assert deep.covers(str(tmp_path / "x" / "y" / "a.jpg"))
    assert not deep.covers(str(tmp_path / "x" / "a.png"))


def test_what_an_argument_covers_is_a_range_of_locations_with_those_that_are_not_utf8(tmp_path: Path) -> None:
    fill(tmp_path, ["f/a.jpg"])
    (scope,) = scopes_of(tmp_path / "f")

    def within(location: str) -> bool:
        return any(low <= location < high for low, high in scope.ranges)

    assert within(str(tmp_path / "f" / "a.jpg"))
    assert within(f"file://{tmp_path}/f/caf%E9.jpg")
    assert not within(str(tmp_path / "f2" / "a.jpg"))
    assert not within(str(tmp_path / "e"))


def test_a_folder_that_is_empty_or_missing_as_a_whole_is_told_from_a_file_that_is_gone(tmp_path: Path) -> None:
    fill(tmp_path, ["f/a.jpg", "f/sub/b.jpg", "f/mount/c.jpg"])
    (scope,) = scopes_of(tmp_path / "f")
    places = Places()
    for name in ("a.jpg", "sub/b.jpg", "mount/c.jpg"):
        (tmp_path / "f" / name).unlink()
        assert places.look(str(tmp_path / "f" / name)) is None
    (tmp_path / "f" / "sub").rmdir()
    assert scope.hollow(str(tmp_path / "f" / "a.jpg"), places) is None
    assert scope.hollow(str(tmp_path / "f" / "sub" / "b.jpg"), places) is None
    assert scope.hollow(str(tmp_path / "f" / "mount" / "c.jpg"), places) == str(tmp_path / "f" / "mount")
    (tmp_path / "f" / "mount").rmdir()
    assert scope.hollow(str(tmp_path / "f" / "a.jpg"), places) == str(tmp_path / "f")
    (tmp_path / "f").rmdir()
    assert scope.hollow(str(tmp_path / "f" / "a.jpg"), places) == str(tmp_path / "f")


def test_a_place_that_may_not_be_looked_at_is_not_held_for_empty(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be looked at"):
        Places().look(str(tmp_path / ("x" * 300)))
