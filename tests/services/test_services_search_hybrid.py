"""Hybrid search: what a picture is called and tagged counts beside what it shows, and follows every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.services.winding import wind_back

import opsin
from opsin.errors import UsageError
from opsin.services.finding.query import Part
from opsin.services.finding.search import Page
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library with one picture a colour, `red.jpg` and so on."""
    made = make_library(vocabularies=())
    for colour in COLOURS:
        made.add(Upload(jpeg_bytes(make_picture(colour, "square", 64)), f"{colour}.jpg"))
    return made


def names(page: Page) -> list[str]:
    return [hit.asset.name for hit in page.hits]


def called(library: opsin.Library, words: str) -> list[str]:
    """Return what a search finds by words or tags, in order: without a background, looks alone find everything."""
    page = library.search(words, hybrid=True, explain=True)
    return [hit.asset.name for hit in page.hits if hit.reasons and (hit.reasons.words or hit.reasons.tags)]


def test_what_a_picture_is_called_finds_it_beside_what_it_shows(library: opsin.Library) -> None:
    library.edit("blue.jpg", caption="Aunt Zéphyrine's RED houses, by the sea")
    library.edit("green.jpg", public_id="shop/coral-necklace")
    assert called(library, "zephyrine house") == ["blue.jpg"]
    assert called(library, "the necklaces") == ["green.jpg"]
    assert called(library, "zephyrine necklace") == []
    assert called(library, "yellow") == ["yellow.jpg"]
    assert called(library, "red") == ["red.jpg", "blue.jpg"]
    assert names(library.search("red", hybrid=True))[:2] == ["red.jpg", "blue.jpg"]


def test_the_reasons_of_a_hit_add_up_to_its_place(library: opsin.Library) -> None:
    library.edit("blue.jpg", caption="red")
    parts = [Part("text", "red", 2), Part("text", "green", -0.5), Part("asset", library.get("yellow.jpg").id)]
    page = library.find(parts, hybrid=True, explain=True)
    points = []
    for hit in page.hits:
        assert hit.reasons is not None
        assert sum(part.share for part in hit.reasons.parts) == pytest.approx(hit.similarity, abs=3e-4)
        assert [(part.kind, part.weight) for part in hit.reasons.parts] == [("text", 2), ("text", -0.5), ("asset", 1)]
        places = [place for place in (hit.reasons.looks, hit.reasons.words, hit.reasons.tags) if place is not None]
        assert hit.reasons.points == pytest.approx(sum(1 / (60 + place) for place in places))
        points.append(hit.reasons.points or 0)
    assert points == sorted(points, reverse=True)
    alone = library.find(parts, explain=True).hits[0].reasons
    assert alone is not None
    assert (alone.looks, alone.points, len(alone.parts)) == (None, None, 3)
    assert library.find(parts).hits[0].reasons is None


def test_a_text_that_holds_names_of_tags_finds_first_what_has_the_most_of_them(library: opsin.Library) -> None:
    library.tag("blue.jpg", add=["polka dots"])
    library.tag("green.jpg", add=["polka dots", "linen"])
    library.tag("yellow.jpg", add=["linen"])
    assert called(library, "polka dots on linen")[0] == "green.jpg"
    assert set(called(library, "linen with some polka dots")) == {"green.jpg", "blue.jpg", "yellow.jpg"}
    assert called(library, "polka") == []
    page = library.search("polka dots", hybrid=True, where=["name!=green*"])
    assert (page.hits[0].asset.name, page.hits[0].tag, page.hits[0].score) == ("blue.jpg", "polka_dots", 1.0)
    assert "green.jpg" not in names(page)
    library.tag("blue.jpg", remove=["polka dots"])
    assert called(library, "polka dots") == ["green.jpg"]


def test_words_follow_every_change_of_what_they_are_of(make_library: MakeLibrary, library: opsin.Library) -> None:
    library.edit("red.jpg", caption="wallflower")
    reader = make_library(readonly=True)
    assert called(reader, "wallflower") == ["red.jpg"]
    library.edit("red.jpg", caption=None)
    assert called(library, "wallflower") == called(reader, "wallflower") == []
    library.edit("red.jpg", caption="wallflower")
    asset = library.delete("red.jpg").id
    assert called(library, "wallflower") == called(reader, "wallflower") == []
    library.undelete(asset)
    assert called(library, "wallflower") == ["red.jpg"]
    library.delete(asset, at_once=True)
    assert called(library, "wallflower") == []
    assert called(library, "green") == ["green.jpg"]


def test_a_library_of_before_has_its_words_after_the_upgrade(make_library: MakeLibrary, library: opsin.Library) -> None:
    library.edit("red.jpg", caption="wallflower")
    library.close()
    wind_back(library.path / "catalogue.sqlite", "0003")
    again = make_library()
    assert called(again, "wallflower") == ["red.jpg"]
    again.edit("red.jpg", caption="snapdragon")
    assert called(again, "wallflower") == []
    assert called(again, "snapdragons") == ["red.jpg"]


def test_pages_of_a_hybrid_search_follow_each_other_whatever_their_size(library: opsin.Library) -> None:
    for colour in ("green", "yellow"):
        library.edit(f"{colour}.jpg", caption="one of the red family")
    whole = library.search("red", hybrid=True)
    assert names(whole)[0] == "red.jpg"
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        page = library.search("red", hybrid=True, limit=1, cursor=cursor)
        seen += names(page)
        cursor = page.cursor
    assert seen == names(whole)
    with pytest.raises(UsageError, match="another query"):
        library.search("red", cursor=library.search("red", hybrid=True, limit=1).cursor)


def test_words_are_never_taken_for_an_expression(library: opsin.Library) -> None:
    library.edit("green.jpg", caption="plain")
    for words in ('plain" "', "-plain", "^plain*", "plain\0"):
        assert called(library, words) == ["green.jpg"], words
    for words in ("NEAR(plain", "plain AND plane", "caption:plain", "plai*", "pl\0ain", "plain OR plane", "é" * 2000):
        assert called(library, words) == [], words
    for words in ('"', "... !!", "-"):
        with pytest.raises(UsageError, match="needs words"):
            called(library, words)


def test_words_that_push_away_and_examples_find_nothing_by_name(library: opsin.Library) -> None:
    library.edit("blue.jpg", caption="holiday")
    library.edit("yellow.jpg", caption="holiday toy")
    like = Part("asset", library.get("red.jpg").id)
    page = library.find([Part("text", "holiday"), Part("text", "toy", -0.5), like], hybrid=True, explain=True)
    assert {hit.asset.name for hit in page.hits if hit.reasons and hit.reasons.words} == {"blue.jpg", "yellow.jpg"}
    for parts in ([like], [like, Part("text", "toy", -1)]):
        with pytest.raises(UsageError, match="needs words"):
            library.find(parts, hybrid=True)


def test_only_words_that_say_something_have_to_be_there(library: opsin.Library) -> None:
    library.edit("blue.jpg", caption="meadow, 1987")
    assert called(library, "a meadow in the 1987") == ["blue.jpg"]
    library.edit("green.jpg", caption="The The, live")
    assert called(library, "the the") == ["green.jpg"]
