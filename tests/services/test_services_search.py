"""Searching: by words, by example, mixed, filtered, cut off and page by page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import opsin
from opsin.errors import UnknownName, UsageError
from opsin.services.finding.query import Part
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.services.counting import Counted
    from tests.services.winding import wind_back
else:
    from counting import Counted
    from winding import wind_back


def names(page: opsin.services.finding.search.Page) -> list[str]:
    return [hit.asset.name for hit in page.hits]


def test_words_find_what_they_name(filled: opsin.Library) -> None:
    page = filled.search("green", limit=2, everything=True)
    assert sorted(names(page)) == ["green-circle.jpg", "green-square.jpg"]
    assert page.hits[0].similarity >= page.hits[1].similarity


def test_an_example_finds_itself_first_whether_file_bytes_or_asset(filled: opsin.Library, photos: Path) -> None:
    path = photos / "blue-circle.jpg"
    for example in (path, path.read_bytes(), filled.get("blue-circle.jpg").id, "blue-circle.jpg"):
        hit = filled.search(like=[example], limit=1, everything=True).hits[0]
        assert hit.asset.name == "blue-circle.jpg"
        assert hit.similarity == pytest.approx(1, abs=2e-3)


def test_an_example_that_is_not_in_the_library_works_too(filled: opsin.Library) -> None:
    hit = filled.search(like=[jpeg_bytes(make_picture("red", "circle", 120))], limit=1, everything=True).hits[0]
    assert hit.asset.name == "red-circle.jpg"


def test_weights_shift_a_mixed_query(filled: opsin.Library, photos: Path) -> None:
    red, green = photos / "red-square.jpg", photos / "green-square.jpg"
    assert names(filled.search(like=[(red, 1.0), (green, 0.2)], limit=1, everything=True)) == ["red-square.jpg"]
    assert names(filled.search(like=[(red, 0.2), (green, 1.0)], limit=1, everything=True)) == ["green-square.jpg"]


def test_negative_words_push_away(filled: opsin.Library) -> None:
    found = names(filled.search(without=["red"], everything=True))
    assert {name.split("-")[0] for name in found[-2:]} == {"red"}


def test_parts_that_cancel_each_other_are_refused(filled: opsin.Library) -> None:
    with pytest.raises(UsageError, match="cancel"):
        filled.find([Part("text", "red", 1.0), Part("text", "red", -1.0)])


@pytest.mark.parametrize("call", [{}, {"text": "red", "limit": 0}, {"text": "red", "cursor": "nonsense"}])
def test_a_query_without_sense_says_what_is_wrong(filled: opsin.Library, call: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        filled.search(**call)  # type: ignore[arg-type]


def test_pages_follow_each_other_without_gap_or_overlap(filled: opsin.Library) -> None:
    everything = names(filled.search("red", everything=True))
    seen: list[str] = []
    cursor = None
    while True:
        page = filled.search("red", limit=2, cursor=cursor, everything=True)
        seen += names(page)
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == everything
    assert len(seen) == 6


def test_a_cursor_of_another_query_is_refused(filled: opsin.Library) -> None:
    cursor = filled.search("red", limit=2, everything=True).cursor
    with pytest.raises(UsageError, match="another query"):
        filled.search("green", limit=2, cursor=cursor, everything=True)


def test_conditions_leave_only_what_fits(filled: opsin.Library, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(jpeg_bytes(make_picture("red", "ring", 200)))
    filled.add(large, owner="bob", tags=["Holiday"])
    assert names(filled.search("red", where=["owner=bob"], everything=True)) == ["large.png"]
    assert names(filled.search("red", where=["width>=150"], everything=True)) == ["large.png"]
    assert names(filled.search("red", where=["tag=holiday"], everything=True)) == ["large.png"]
    assert "large.png" not in names(filled.search("red", where=["tag!=holiday"], everything=True))
    assert names(filled.search("red", where=["owner=nobody"], everything=True)) == []
    assert len(names(filled.search("red", where=["tag=red|green"], everything=True))) == 5
    assert names(filled.search("red", where=["format=png"], everything=True)) == []


def test_a_format_is_meant_by_its_name_or_an_ending_and_any_other_is_an_error_that_names_all(
    filled: opsin.Library,
) -> None:
    for text in ("format=jpeg", "format=JPG", "format=mpo|png", "format=jp*g", "format!=heic"):
        assert filled.count(where=[text]) == filled.count(), text
    for text in ("format=xyz", "format!=png|xyz", "format=x*"):
        with pytest.raises(UsageError, match=r"is no format .*jpeg, png, webp, gif, avif, heif, tiff, bmp"):
            filled.count(where=[text])


def test_frames_of_an_animation_are_one_hit_with_the_frame_that_fits(library: opsin.Library, tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(make_picture(colour, "full", 64)) for colour in ("red", "green", "blue")]
    animation = tmp_path / "colours.gif"
    frames[0].save(animation, save_all=True, append_images=frames[1:], duration=100)
    library.add(animation)
    page = library.search("blue", everything=True)
    assert names(page) == ["colours.gif"]
    assert page.hits[0].frame == 2
    assert {"red", "green", "blue"} <= {tag.label for tag in library.get("colours.gif").tags}


def animated(path: Path, colours: Sequence[str]) -> Path:
    """Write an animation of one frame a colour; a dot moves, as equal frames would be stored as one."""
    from PIL import Image

    frames = []
    for number, colour in enumerate(colours):
        pixels = make_picture(colour, "full", 64)
        pixels[number, 0] = 255 - pixels[number, 0]
        frames.append(Image.fromarray(pixels))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def test_a_frame_is_told_by_its_number_in_the_file(library: opsin.Library, tmp_path: Path) -> None:
    library.add(animated(tmp_path / "long.png", ["red"] * 24 + ["blue"] * 3 + ["green"] * 3))
    looked_at = [round(place * 29 / 15) for place in range(16)]
    assert library.search("blue", everything=True).hits[0].frame == next(n for n in looked_at if n >= 24)
    (evidence,) = (each for each in library.explain("long.png", "green").evidence if each.categorizer == "fake")
    assert evidence.frame in {27, 29}
    assert evidence.details["cosine"] > 0.5
    (record,) = library.records()
    frame_of = {match.label: match.frame for report in record.reports for match in report.matches}
    assert frame_of["green"] == evidence.frame
    library.export(tmp_path / "out.jsonl", vectors="npy")
    lines = (tmp_path / "out.vectors.jsonl").read_text().splitlines()
    assert [msgspec.json.decode(line)["frame"] for line in lines] == looked_at
    library.reanalyse(library.plan_reanalysis())
    assert [each.frame for each in library.explain("long.png", "green").evidence if each.categorizer == "fake"] == [
        evidence.frame
    ]


def test_a_library_of_before_tells_frames_by_their_number_too(make_library: MakeLibrary, tmp_path: Path) -> None:
    import sqlite3

    library = make_library()
    library.add(animated(tmp_path / "long.png", ["red"] * 24 + ["blue"] * 6))
    looked_at = [round(place * 29 / 15) for place in range(16)]
    expected = library.search("blue", everything=True).hits[0].frame, next(iter(library.records())).reports
    library.close()
    wind_back(library.path / "catalogue.sqlite", "0001")
    with sqlite3.connect(library.path / "catalogue.sqlite") as old:
        for table in ("embedding", "feature"):
            for place, frame in enumerate(looked_at):
                old.execute(f"UPDATE {table} SET frame = {place} WHERE frame = {frame}")
        for categorizer, matches in old.execute("SELECT categorizer, matches FROM report").fetchall():
            before = [
                match | ({"frame": looked_at.index(match["frame"])} if "frame" in match else {})
                for match in msgspec.json.decode(matches)
            ]
            old.execute(
                "UPDATE report SET matches = ? WHERE categorizer = ?", (msgspec.json.encode(before), categorizer)
            )
    old.close()
    again = make_library()
    assert (again.search("blue", everything=True).hits[0].frame, next(iter(again.records())).reports) == expected
    assert again.count(where=["tag=blue"]) == 1


def test_similar_leaves_the_asset_itself_out(filled: opsin.Library) -> None:
    found = [hit.asset.name for hit in filled.similar("red-square.jpg", limit=2)]
    assert "red-square.jpg" not in found
    assert len(found) == 2


def test_near_duplicates_come_in_groups(library: opsin.Library, tmp_path: Path) -> None:
    picture = make_picture("cyan", "cross", 128)
    library.add(
        jpeg_bytes(picture, quality=95), jpeg_bytes(picture, quality=70), jpeg_bytes(make_picture("red", "bar"))
    )
    (group,) = library.duplicates(threshold=0.98)
    assert len(group.assets) == 2
    assert group.similarity >= 0.98


def test_an_unknown_asset_is_an_error_that_says_so(filled: opsin.Library) -> None:
    with pytest.raises(UnknownName, match="no asset 'nothing'"):
        filled.get("nothing")


@pytest.mark.parametrize(
    "condition", ["", "tag", "tag>dog", "width=wide", "taken=soon", "size=3", "owner=", "vanished=x"]
)
def test_a_condition_without_sense_is_refused(library: opsin.Library, condition: str) -> None:
    with pytest.raises(UsageError):
        library.count(where=[condition])


def test_a_filtered_search_reads_no_more_the_second_time_than_what_it_shows(filled: opsin.Library) -> None:
    filled.search("red", where=["tag=red"], everything=True)
    with Counted(filled) as counted:
        page = filled.search("red", where=["tag=red|green", "tag!=blue"], everything=True)
    tables = [
        statement for statement in counted.statements if "FROM asset" in statement or "FROM embedding" in statement
    ]
    assert len(page.hits) == 4
    assert len(tables) <= 12
    # tags, frames, assets and reports of what is shown; one row each for settings of the library
    categorizers = len(filled._workspace.host.categorizers)
    assert counted.rows <= len(page.hits) * (3 + categorizers) + 12


def test_counting_tags_asks_a_fixed_number_of_questions(filled: opsin.Library) -> None:
    filled.tags()
    with Counted(filled) as counted:
        found = filled.tags()
    assert found
    assert len(counted.statements) <= 8


def test_a_reader_filters_by_what_the_owner_added_and_changed_since(library: opsin.Library, photos: Path) -> None:
    first, second = sorted(photos.iterdir())[:2]
    library.add(first)
    with opsin.open(library.path, readonly=True) as reader:
        assert names(reader.search("red", where=["width>=10"], everything=True)) == [first.name]
        library.add(second)
        assert sorted(names(reader.search("red", where=["width>=10"], everything=True))) == [first.name, second.name]
        first.write_bytes(jpeg_bytes(make_picture("cyan", "ring", 77)))
        library.add(first)
        best = reader.search("cyan", where=["width>=10", "tag=cyan"], everything=True).hits[0]
        assert (best.asset.name, best.asset.width) == (first.name, 77)
        second.unlink()
        library.add(photos)
        assert second.name not in names(reader.search("red", where=["width>=10"], everything=True))
        assert names(reader.search("red", where=["vanished=yes"], everything=True)) == [second.name]


@pytest.mark.parametrize("condition", ["tag=purpl", "tag!=purpl", "tag=red|purpl", "color=purpl"])
def test_a_tag_that_nobody_knows_is_an_error_with_a_guess(filled: opsin.Library, condition: str) -> None:
    with pytest.raises(UnknownName, match=r"'purpl'.*purple"):
        filled.count(where=[condition])


def test_a_tag_that_a_person_gave_once_is_known(filled: opsin.Library) -> None:
    filled.tag("red-square.jpg", add=["keeper"])
    filled.tag("red-square.jpg", remove=["keeper"])
    assert filled.count(where=["tag=keeper"]) == 0
    with pytest.raises(UnknownName, match="did you mean keeper"):
        filled.count(where=["tag=keepr"])


@pytest.mark.parametrize("call", [{"text": "   "}, {"text": ""}, {"text": "red", "without": [" "]}])
def test_empty_words_are_refused(filled: opsin.Library, call: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="say what to search for"):
        filled.search(**call)  # type: ignore[arg-type]
