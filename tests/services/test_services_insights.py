"""Insights: what they tell of owners and of time, and what they never tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.conftest import FAKE_SETTINGS

import opsin
from opsin.catalogue.tables import asset
from opsin.errors import LibraryError, UsageError
from opsin.services.finding.insights import moment
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

ON = "\n[insights]\nenabled = true\nleast = 3\n"
OWNERS = ("ann", "ben", "cem", "dot")
LABELS = [
    *(opsin.Label(id=name, unseen=("fake",)) for name in ("sea", "boat", "castle", "nudity", "weapon")),
    opsin.Label(id="gun", parents=("weapon",), unseen=("fake",)),
    opsin.Label(id="tattoo", group="people", unseen=("fake",)),
]
PICTURES = [jpeg_bytes(make_picture(colour, "square", 48)) for colour in ("red", "blue", "green")]


def fill(library: opsin.Library) -> None:
    """Give each owner three pictures of the sea, which ann's alone are of boats, and what must not be told."""
    for owner in OWNERS:
        boats = ["boat"] if owner in {"ann", "ben", "cem"} else []
        added = library.add(
            *(Upload(each, f"{n}.jpg") for n, each in enumerate(PICTURES)),
            owner=owner,
            tags=["sea", *boats, "nudity", "tattoo", "grandma", "gun"],
        )
        if owner != "ann":
            for each in added[1:]:
                library.tag(str(each.id), remove=["boat"])
        library.tag(str(added[0].id), add=[f"only_{owner}"])


def make(root: Path) -> opsin.Library:
    root.mkdir()
    (root / "opsin.toml").write_text(FAKE_SETTINGS + ON, "utf-8")
    library = opsin.init(root, encoder="fake", vocabularies=())
    library.vocabularies.create("told", LABELS)
    fill(library)
    return library


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opsin.Library]:
    """Return a filled library, for tests that change nothing."""
    with make(tmp_path_factory.mktemp("insights") / "library") as library:
        yield library


@pytest.fixture
def filled(shared: opsin.Library, tmp_path: Path) -> Iterator[opsin.Library]:
    """Return a copy of it, for a test of its own."""
    opsin.back_up(tmp_path / "copy", shared.path)
    with opsin.restore(tmp_path / "copy", tmp_path / "library") as library:
        yield library


def age(library: opsin.Library, days: float, *owners: str) -> None:
    """Make the pictures of these owners so many days old."""
    with library._workspace.catalogue.write() as connection:
        connection.execute(update(asset).where(asset.c.owner.in_(owners)).values(added_at=moment(days)))


def test_an_owner_has_a_profile_and_preferences(shared: opsin.Library) -> None:
    found = shared.insights.profile("ann")
    shares = {each.label: (each.count, each.share, each.usual) for each in found.tags}
    assert found.pictures == 3
    assert shares["sea"] == (3, 1.0, 1.0)
    assert shares["boat"] == (3, 1.0, 0.4167)
    assert found.preferred[0] == "boat"
    assert "sea" not in found.preferred
    assert "boat" not in {each.label for each in shared.insights.profile("ben").tags}
    assert shared.insights.profile("nobody").tags == ()


def test_what_is_of_people_or_moderated_or_of_few_is_never_told(shared: opsin.Library) -> None:
    told = {each.label for owner in OWNERS for each in shared.insights.profile(owner).tags}
    told |= {each.label for each in shared.insights.trends().tags}
    told |= {each.label for each in shared.insights.companions("sea").tags}
    assert {"sea", "boat"} <= told
    assert told.isdisjoint({"nudity", "tattoo", "grandma", "gun", "weapon", *(f"only_{owner}" for owner in OWNERS)})
    assert shared.insights.companions("nudity").tags == ()
    assert shared.insights.companions("nudity").pictures == 0


def test_a_tag_of_too_few_owners_is_not_told_however_many_pictures_have_it(filled: opsin.Library) -> None:
    for each in filled.list(where=["owner=ann|ben"]):
        filled.tag(each.id, add=["castle"])
    assert "castle" not in {each.label for each in filled.insights.profile("ann").tags}
    assert "castle" not in {each.label for each in filled.insights.companions("sea").tags}
    for each in filled.list(where=["owner=cem"], limit=1):
        filled.tag(each.id, add=["castle"])
    assert "castle" in {each.label for each in filled.insights.profile("ann").tags}


def test_trends_compare_the_last_days_with_those_before(filled: opsin.Library) -> None:
    age(filled, 40, "ann")
    found = filled.insights.trends(days=30)
    trend = {each.label: each for each in found.tags}
    assert (found.pictures, found.pictures_before) == (9, 3)
    assert (trend["sea"].count, trend["sea"].share) == (9, 1.0)
    assert (trend["sea"].count_before, trend["sea"].share_before) == (0, 0.0), "one owner alone is not told"
    assert "boat" not in trend, "two owners alone are not told"
    for days in (0, 183):
        with pytest.raises(UsageError, match="days"):
            filled.insights.trends(days=days)


def test_companions_are_those_on_the_same_pictures(shared: opsin.Library) -> None:
    found = shared.insights.companions("boat")
    assert (found.label, found.pictures) == ("boat", 5)
    (sea,) = [each for each in found.tags if each.label == "sea"]
    assert (sea.count, sea.share, sea.usual) == (5, 1.0, 1.0)


def test_what_is_older_than_the_retention_or_deleted_does_not_count(filled: opsin.Library) -> None:
    age(filled, 400, "ann")
    assert filled.insights.profile("ann").pictures == 0
    for each in filled.list(where=["owner=ben"]):
        filled.delete(each.id)
    assert filled.insights.profile("ben").pictures == 0
    assert filled.insights.profile("cem").tags == (), "two owners are left"


def test_without_the_setting_nothing_is_told(library: opsin.Library) -> None:
    for ask in (
        lambda: library.insights.profile("ann"),
        library.insights.trends,
        lambda: library.insights.companions("a"),
    ):
        with pytest.raises(LibraryError, match="insights are off"):
            ask()
