"""Saved searches: what a new picture matches is told, as a search for it would find it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.hooks.test_hooks_events import told
from tests.services.counting import Counted

import opsin
from opsin.catalogue import assets, saved
from opsin.catalogue.ids import new_id
from opsin.errors import LibraryError, UnknownName, UsageError
from opsin.fusion.cutoff import Background
from opsin.services.finding.filters import check_of, read, rows_matching
from opsin.services.finding.query import Part
from opsin.services.telling.matching import Matcher
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))
GREEN = jpeg_bytes(make_picture("green", "square", 96))
BLUE = jpeg_bytes(make_picture("blue", "square", 96))


def matched(library: opsin.Library) -> list[tuple[str, list[str]]]:
    """Return the pictures that were told of as matching, each with the names of the searches."""
    events = [each for each in told(library) if each["kind"] == "search.matched"]
    return [(each["asset"]["name"], [one["name"] for one in each["searches"]]) for each in events]


@pytest.fixture
def listening(library: opsin.Library) -> opsin.Library:
    """Return a library with a webhook that wants to hear of matches."""
    library.webhooks.create("https://hooks.example/", ["search.*"])
    return library


def test_each_upload_is_told_with_all_searches_that_it_matches(listening: opsin.Library, photos: Path) -> None:
    listening.searches.create("red", cutoff=0.6, name="reds")
    listening.searches.create("red", like=[str(photos / "red-square.jpg")], cutoff=0.7)
    listening.searches.create("blue", cutoff=0.6, name="blues")
    listening.add(photos)
    found = dict(matched(listening))
    assert {name: set(each) for name, each in found.items() if name.startswith("red")} == {
        "red-square.jpg": {"reds", "red"},
        "red-circle.jpg": {"reds", "red"},
    }
    assert found["blue-circle.jpg"] == ["blues"]
    assert "green-circle.jpg" not in found
    (event,) = [each for each in told(listening) if each["asset"]["name"] == "blue-square.jpg"]
    assert 0.6 <= event["searches"][0]["score"] <= 1
    assert len(told(listening)) == len(found)


def test_what_is_told_is_what_the_search_finds(listening: opsin.Library, photos: Path) -> None:
    for words in ("red", "blue square", "green"):
        for where in ([], ["owner=ann"], ["color=red|blue", "name!=*circle*"], ["width>=97"]):
            listening.searches.create(words, where=where, cutoff=0.65, name=f"{words} {where}")
    listening.add(photos, owner="ann")
    told_of = matched(listening)
    for search in listening.searches.list():
        hits = listening.searches.run(search.id, limit=100).hits
        names = {each.asset.name for each in hits}
        assert names == {picture for picture, searches in told_of if search.name in searches}
    assert len(told_of) == 6


def test_filters_mean_of_one_picture_what_they_mean_of_all(library: opsin.Library, photos: Path) -> None:
    library.add(photos, owner="ann", tags=["toy"])
    library.add(RED)
    (photos / "red-circle.jpg").unlink()
    library.add(photos)
    everything = """
        width>95, width!=96, width<=96, bytes<1k, frames=1|2, added>=2020, added<2020-01-01, added=2020-05-05T10:00,
        taken=2020, taken!=2020, taken>2020, owner=ann, owner!=ann, format=jpg, name=*square*, name=red*.jpg,
        name=*d*e*g, name!=*-*, name=*, location=/*, name=red-*-square.jpg, tag=toy, tag!=toy|red, color=red, tag=red|blue,
        vanished=yes, vanished=no, vanished!=yes, vanished=any, vanished!=any
    """
    with library._workspace.catalogue.read() as connection:
        known = {row.row: row for page in assets.every(connection) for row in page}
    labels = {row.row: {tag.label for tag in library.get(row.id).tags} for row in known.values()}
    for condition in everything.split(","):
        conditions = read(library._workspace, [condition, "vanished=any"])
        checks = [check_of(each) for each in conditions]
        stored = set(rows_matching(library._workspace, conditions))
        assert {row for row in known if all(check(known[row], labels[row]) for check in checks)} == stored, condition


def test_a_filter_that_excludes_is_obeyed(listening: opsin.Library, photos: Path) -> None:
    listening.searches.create("red", where=["owner=ann", "tag!=crate"], cutoff=0.6)
    listening.add(photos / "red-square.jpg", owner="ben")
    listening.add(photos / "red-circle.jpg", owner="ann", tags=["crate"])
    assert matched(listening) == []
    listening.add(RED, owner="ann")
    assert [searches for _, searches in matched(listening)] == [["red"]]


def test_a_known_picture_matches_under_each_new_name_and_with_new_bytes(listening: opsin.Library, photos: Path) -> None:
    square = photos / "red-square.jpg"
    listening.add(square)
    listening.searches.create("red", cutoff=0.6)
    listening.searches.create("blue", cutoff=0.6)
    listening.add(square)
    assert matched(listening) == []
    (photos / "again.jpg").write_bytes(square.read_bytes())
    listening.add(photos / "again.jpg")
    square.write_bytes(BLUE)
    listening.add(square)
    assert matched(listening) == [("again.jpg", ["red"]), ("red-square.jpg", ["blue"])]


def test_words_that_name_a_tag_match_what_carries_it(listening: opsin.Library) -> None:
    made = listening.searches.create("grandma", cutoff=0.99)
    listening.add(RED, tags=["grandma"])
    listening.add(BLUE)
    (event,) = [each for each in told(listening) if each["kind"] == "search.matched"]
    assert event["searches"] == [{"id": made.id, "name": "grandma", "score": 1.0, "tag": "grandma"}]


def test_words_mean_what_the_vocabularies_say_by_now(listening: opsin.Library) -> None:
    listening.searches.create("rouge", cutoff=0.99)
    listening.add(RED)
    assert matched(listening) == []
    listening.vocabularies.create("mine")
    listening.vocabularies.edit_label("mine", "reddish", synonyms=("rouge",))
    listening.add(BLUE, tags=["reddish"])
    assert [set(searches) for _, searches in matched(listening)] == [{"rouge"}]


def test_changed_and_deleted_searches_match_from_then_on_as_they_are(listening: opsin.Library, photos: Path) -> None:
    one = listening.searches.create("green", cutoff=0.6)
    two = listening.searches.create("red square", cutoff=0.6, name="two")
    listening.add(photos / "red-square.jpg")
    assert matched(listening) == [("red-square.jpg", ["two"])]
    assert listening.searches.change(one.id, name="one", parts=[opsin.library.Part("text", "red")]).name == "one"
    listening.searches.change(two.id, cutoff=0.999)
    listening.add(photos / "red-circle.jpg")
    listening.searches.change(two.id, cutoff=0.6, where=["name=*nothing*"])
    listening.searches.delete(one.id)
    listening.add(RED)
    assert matched(listening)[1:] == [("red-circle.jpg", ["one"])]
    assert [each.id for each in listening.searches.list()] == [two.id]
    for gone in (listening.searches.get, listening.searches.delete, listening.searches.run):
        with pytest.raises(UnknownName, match="no saved search"):
            gone(one.id)


def test_searches_outlive_a_restart(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library()
    library.webhooks.create("https://hooks.example/", ["search.matched"])
    made = library.searches.create("red", like=[RED], where=["owner!=ben"], cutoff=0.6)
    library.close()
    again = make_library()
    assert again.searches.list() == [made]
    again.add(photos / "red-circle.jpg")
    assert matched(again) == [("red-circle.jpg", ["red"])]


def test_loading_reads_the_searches_so_that_the_first_upload_need_not(listening: opsin.Library) -> None:
    listening.searches.create("red", cutoff=0.6)
    listening.load()
    with Counted(listening) as counted:
        listening.add(RED)
    assert len(matched(listening)) == 1
    assert not [each for each in counted.statements if "FROM saved_search" in each]


def test_pictures_of_a_query_are_not_kept(library: opsin.Library) -> None:
    kept = library.add(BLUE)[0]
    made = library.searches.create(like=[RED, (str(kept.id), -0.5)], name="like these")
    picture, asset = made.parts
    assert (len(picture.picture or ""), picture.weight) == (64, 1.0)
    assert (asset.asset, asset.weight) == (kept.id, -0.5)
    with library._workspace.catalogue.read() as connection:
        assert sum(len(each.parts) for each in saved.every(connection)) < 300
    by_vector = library.searches.save([Part("vector", (1.0,) * 64), Part("text", "red")])
    assert len(by_vector.parts[0].vector or "") == 64
    assert [hit.asset.id for hit in library.searches.run(by_vector.id).hits] == [kept.id]


def test_hundreds_of_searches_cost_no_more_statements_than_one(listening: opsin.Library) -> None:
    listening.searches.create("green", where=["owner=ann", "tag=toy"], cutoff=0.6)
    listening.add(BLUE)
    with Counted(listening) as few:
        listening.add(RED, owner="a")
    with listening._workspace.catalogue.write() as connection:
        (row,) = saved.every(connection)
        for number in range(300):
            changed = {"id": new_id(), "name": str(number), "conditions": '["owner=b","width>5"]', "cutoff": 0.0}
            saved.add(connection, saved.SavedRow(**{**{f: getattr(row, f) for f in row.__struct_fields__}, **changed}))
    matcher = listening._workspace.part(Matcher)
    matcher.close()
    matcher.table()
    with Counted(listening) as many:
        listening.add(GREEN, owner="b")
    assert len(matched(listening)[-1][1]) == 300
    assert len(many.statements) <= len(few.statements) + 2


def test_without_a_webhook_that_asks_nothing_is_compared(library: opsin.Library) -> None:
    library.searches.create("red", cutoff=0)
    library.webhooks.create("https://hooks.example/", ["asset.*"])
    with Counted(library) as counted:
        library.add(RED)
    assert not [each for each in counted.statements if "saved_search" in each or "embedding.content_id" in each]
    assert matched(library) == []


def test_what_cannot_be_a_saved_search_is_told(library: opsin.Library) -> None:
    wrong: list[tuple[str | None, dict[str, Any]]] = [
        (None, {}),
        (" ", {}),
        ("red", {"cutoff": 1.5}),
        ("red", {"cutoff": float("nan")}),
        ("red", {"where": ["height~5"]}),
        ("red", {"name": "n" * 201}),
        ("r" * 70_000, {}),
        ("red \ud800", {}),
        ("red", {"where": ["name=" + "n" * 70_000]}),
        ("red", {"without": ["red", "red"]}),
    ]
    for text, options in wrong:
        with pytest.raises(UsageError):
            library.searches.create(text, **options)
    with pytest.raises(UnknownName, match="nobodys"):
        library.searches.create("red", where=["tag=nobodys"])
    assert library.searches.list() == []


def test_a_search_for_a_label_that_is_gone_says_so_and_is_not_taken_for_none(library: opsin.Library) -> None:
    library.vocabularies.create("mine", [opsin.Label(id="zebra_crossing")])
    saved = library.searches.create("red", where=["tag=zebra_crossing"])
    library.vocabularies.remove("mine")
    with pytest.raises(LibraryError, match="zebra_crossing"):
        library.searches.run(saved.id)


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_the_scale_of_many_queries_says_what_each_search_says(rows: int) -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((rows + 20, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    background, queries = Background.of(vectors[:rows]), vectors[rows:]
    kinds: Sequence[set[str]] = [{"text"}, {"picture"}] * 10
    scale, near = background.scale(queries, kinds), random.uniform(-1, 1, 20).astype(np.float32)
    alone = [background.scale(each[None], [kinds[at]]).scores(near[at : at + 1])[0] for at, each in enumerate(queries)]
    assert np.allclose(scale.scores(near), alone, atol=1e-5)
    least = scale.least(np.full(20, 0.7, np.float32))
    assert np.allclose(scale.scores(least), 0.7, atol=1e-3)
    assert (scale.least(np.zeros(20, np.float32)) == -np.inf).all()
