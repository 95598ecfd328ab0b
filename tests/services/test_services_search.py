"""Searching: by words, by example, mixed, filtered, cut off and page by page."""

from __future__ import annotations

from pathlib import Path

import pytest

import opsin
from opsin.errors import UnknownName, UsageError
from opsin.services.search import Part
from opsin.testing import jpeg_bytes, make_picture


@pytest.fixture
def filled(library: opsin.Library, photos: Path) -> opsin.Library:
    library.add(photos, owner="ann")
    return library


def names(page: opsin.services.search.Page) -> list[str]:
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
