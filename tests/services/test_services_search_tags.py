"""Words that name a tag: what carries it is found first, whatever the size of the page, and then what looks like it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.services.counting import Counted
else:
    from counting import Counted


def names(page: opsin.services.finding.search.Page) -> list[str]:
    return [hit.asset.name for hit in page.hits]


def tagged(page: opsin.services.finding.search.Page) -> list[str]:
    return sorted(hit.asset.name for hit in page.hits if hit.tag == "grandma" and hit.score == 1)


def test_words_that_name_a_tag_find_what_has_it_before_what_only_looks_like_it(filled: opsin.Library) -> None:
    assert not tagged(filled.search("grandma"))
    for name in ("red-square.jpg", "blue-circle.jpg"):
        filled.tag(name, add=["grandma"])
    for words in ("grandma", "Grandma", "the grandmas"):
        assert tagged(filled.search(words)) == ["blue-circle.jpg", "red-square.jpg"]
        assert filled.search(words).nearest == 1
    everything = filled.search("grandma", everything=True).hits
    assert [hit.tag for hit in everything] == ["grandma", "grandma", *[None] * (len(everything) - 2)]


def test_a_tag_that_is_named_keeps_to_the_conditions_and_to_what_is_still_there(
    filled: opsin.Library, photos: Path
) -> None:
    for name in ("red-square.jpg", "blue-circle.jpg"):
        filled.tag(name, add=["grandma"])
    assert tagged(filled.search("grandma", where=["color=red"])) == ["red-square.jpg"]
    (photos / "blue-circle.jpg").unlink()
    filled.add(photos)
    assert tagged(filled.search("grandma")) == ["red-square.jpg"]
    filled.tag("red-square.jpg", remove=["grandma"])
    assert not tagged(filled.search("grandma"))


def paged(library: opsin.Library, words: str, size: int, *, everything: bool = False) -> list[str]:
    """Return what a search finds, page by page."""
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        page = library.search(words, limit=size, cursor=cursor, everything=everything)
        seen += names(page)
        cursor = page.cursor
    return seen


def test_pages_of_what_has_a_tag_follow_each_other_however_long_they_are(
    library: opsin.Library, tmp_path: Path
) -> None:
    for number in range(70):
        picture = make_picture("red", "circle" if number % 3 else "square", 60 + number)
        (tmp_path / f"{number}.jpg").write_bytes(jpeg_bytes(picture))
    library.add(tmp_path / "*.jpg", tags=["ours"])
    library.tag("3.jpg", add=["not_ours"], remove=["ours"])
    whole = names(library.search("ours", limit=100, everything=True))
    assert whole[-1] == "3.jpg"
    assert len(set(whole)) == 70
    for size in (1, 7, 30, 49, 50, 51, 69, 70):
        assert paged(library, "ours", size, everything=True) == whole
    some = sorted(names(library.search("ours", limit=100)))
    for size in (7, 50, 69):
        assert sorted(paged(library, "ours", size)) == some


def test_the_tagged_are_in_the_order_of_their_scores_and_the_rest_in_that_of_their_looks(
    filled: opsin.Library,
) -> None:
    filled.tag("blue-circle.jpg", add=["green"])
    hits = filled.search("green", limit=6, everything=True).hits
    carrying = [hit for hit in hits if hit.tag == "green"]
    assert hits[0].asset.name == "blue-circle.jpg"
    assert list(hits[: len(carrying)]) == carrying
    assert [hit.score for hit in carrying] == sorted((hit.score for hit in carrying), reverse=True)
    rest = [hit.similarity for hit in hits[len(carrying) :]]
    assert rest == sorted(rest, reverse=True)
    for size in (1, 2, 4):
        assert paged(filled, "green", size, everything=True) == [hit.asset.name for hit in hits]


def test_only_words_by_themselves_name_a_tag(filled: opsin.Library) -> None:
    filled.tag("blue-circle.jpg", add=["grandma"])
    mixed = filled.search("grandma", without=["red"], everything=True)
    assert all(hit.tag is None for hit in mixed.hits)


def test_a_tag_that_is_pushed_away_is_no_tag_that_is_looked_for(filled: opsin.Library) -> None:
    filled.tag("blue-circle.jpg", add=["grandma"])
    away = filled.search(without=["grandma"], everything=True)
    assert len(away.hits) == 6
    assert all(hit.tag is None for hit in away.hits)


def test_a_label_is_found_by_each_of_its_names(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library(settings='[tags]\nlanguages = ["de"]\n')
    library.add(photos)
    library.tag("red-square.jpg", add=["automobile"])
    for words in ("car", "a car", "Automobile", "Auto"):
        (first, *rest) = library.search(words, everything=True).hits
        assert (first.asset.name, first.tag, first.score) == ("red-square.jpg", "car", 1)
        assert all(hit.tag is None for hit in rest)


def test_what_implies_the_tag_that_is_named_is_found_by_it(filled: opsin.Library) -> None:
    filled.tag("red-square.jpg", add=["dog"])
    hit = filled.search("an animal", everything=True).hits[0]
    assert (hit.asset.name, hit.tag, hit.score) == ("red-square.jpg", "animal", 1)


def test_a_label_that_models_decline_is_found_where_a_person_gave_it(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library(vocabularies=())
    vocabulary = photos.parent / "unseen.toml"
    vocabulary.write_text('name = "hidden"\n[labels]\ngreen_grandma = { unseen = ["fake"] }\n', "utf-8")
    library.vocabularies.add(vocabulary)
    library.add(photos)
    assert all(hit.tag is None for hit in library.search("green grandma", everything=True).hits)
    library.tag("red-square.jpg", add=["green grandma"])
    assert names(library.search("green grandma", everything=True))[0] == "red-square.jpg"


def test_tags_are_named_after_reanalysis_as_before(filled: opsin.Library) -> None:
    filled.tag("red-square.jpg", remove=["red"])
    before = [(hit.asset.name, hit.tag, hit.score) for hit in filled.search("red", everything=True).hits]
    assert ("red-circle.jpg", "red") in [each[:2] for each in before]
    assert "red-square.jpg" in [name for name, tag, _ in before if tag is None]
    filled.reanalyse(filled.plan_reanalysis())
    assert [(hit.asset.name, hit.tag, hit.score) for hit in filled.search("red", everything=True).hits] == before


def test_a_reader_finds_tags_by_the_rules_of_now_and_works_them_out_only_for_words_that_are_labels(
    make_library: MakeLibrary, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = make_library()
    library.add(photos)
    library.tag("blue-circle.jpg", add=["grandma"])
    path = library.path
    library.close()
    settings = path / "opsin.toml"
    settings.write_text(settings.read_text("utf-8") + "\n[tags.labels]\nred = 1.0\n", "utf-8")
    with opsin.open(path, readonly=True) as reader:
        assert tagged(reader.search("grandma")) == ["blue-circle.jpg"]
        with Counted(reader) as counted:
            reader.search("something that nobody ever called a tag", limit=1, everything=True)
        assert sum("FROM report" in statement for statement in counted.statements) == 1
        assert not caplog.records
        assert all(hit.tag is None for hit in reader.search("red", everything=True).hits)
        assert caplog.records


def test_a_reader_works_outdated_tags_out_once_until_somebody_writes(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library()
    library.add(photos)
    path = library.path
    library.close()
    settings = path / "opsin.toml"
    settings.write_text(settings.read_text("utf-8") + "\n[tags.labels]\ngreen = 1.0\n", "utf-8")

    def asked_for_all(reader: opsin.Library) -> tuple[bool, list[str]]:
        with Counted(reader) as counted:
            hits = [hit.asset.name for hit in reader.search("red").hits if hit.tag == "red"]
        return any("FROM asset" in statement and "LIMIT" in statement for statement in counted.statements), hits

    with opsin.open(path, readonly=True) as reader:
        worked_out, before = asked_for_all(reader)
        assert worked_out
        assert before
        assert asked_for_all(reader) == (False, before)
        settings.write_text(settings.read_text("utf-8").replace("green = 1.0", "green = 0.9"), "utf-8")
        with opsin.open(path) as owner:
            owner.tag("blue-circle.jpg", add=["red"])
        worked_out, after = asked_for_all(reader)
        assert worked_out
        assert sorted(after) == sorted([*before, "blue-circle.jpg"])
        assert asked_for_all(reader) == (False, after)
