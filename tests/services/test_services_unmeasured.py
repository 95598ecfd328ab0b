"""The cut-off of searches by words with an encoder that brings no background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.hooks.test_hooks_events import told

import opsin
from opsin.fusion.cutoff import Background
from opsin.fusion.rare import RARE, Bar
from opsin.services.base.unmeasured import LEAST
from opsin.services.finding.query import Part, query_parts
from opsin.testing import FakeEncoder, jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

SHADES = 30


def reds(folder: Path, count: int) -> Path:
    """Fill a folder with red pictures, no two of them the same."""
    folder.mkdir()
    for number in range(count):
        pixels = make_picture("red", ("circle", "square", "full")[number % 3], 64)
        pixels[number, :4] = 255 - pixels[number, :4]
        (folder / f"{number:02}.jpg").write_bytes(jpeg_bytes(pixels))
    return folder


@pytest.fixture
def red_library(library: opsin.Library, tmp_path: Path) -> opsin.Library:
    library.add(reds(tmp_path / "reds", SHADES))
    return library


def test_words_for_what_every_picture_shows_find_all_of_them(red_library: opsin.Library) -> None:
    page = red_library.search("something so red", limit=100)
    assert len(page.hits) == SHADES
    assert page.cutoff == "rare things"


def test_words_for_what_no_picture_shows_find_nothing_and_everything_shows_the_rest(red_library: opsin.Library) -> None:
    page = red_library.search("something so blue")
    assert page.hits == ()
    assert page.nearest is not None
    assert page.nearest < 0.5
    assert len(red_library.search("something so blue", limit=100, everything=True).hits) == SHADES


def test_examples_mixtures_and_what_is_taken_away_are_not_cut_off(red_library: opsin.Library) -> None:
    blue = jpeg_bytes(make_picture("blue", "circle", 64))
    for page in (
        red_library.search(like=[blue], limit=100),
        red_library.search("something so blue", like=[blue], limit=100),
        red_library.search(without=["red"], limit=100),
    ):
        assert len(page.hits) == SHADES
        assert page.cutoff is None


def test_words_and_examples_weigh_the_same_by_how_far_they_reach_in_the_library(red_library: opsin.Library) -> None:
    parts = [Part("text", "something so red"), Part("picture", jpeg_bytes(make_picture("blue", "circle", 64)), 2.0)]
    rows, weights = query_parts(red_library._workspace, parts)
    index = red_library._workspace.index
    reach = (rows @ index.vectors_of(index.ids()).T).std(axis=1)
    assert reach * weights == pytest.approx([1, 2], rel=1e-3)


def test_a_few_pictures_are_not_cut_off_until_there_are_enough(library: opsin.Library, tmp_path: Path) -> None:
    folder = reds(tmp_path / "reds", LEAST)
    last = folder / f"{LEAST - 1}.jpg"
    data = last.read_bytes()
    last.unlink()
    library.add(folder)
    assert len(library.search("something so blue", limit=100).hits) == LEAST - 1
    last.write_bytes(data)
    library.add(folder)
    assert library.search("something so blue").hits == ()


def test_pages_of_a_cut_off_search_follow_each_other(red_library: opsin.Library) -> None:
    whole = [hit.asset.id for hit in red_library.search("something so red", limit=100).hits]
    first = red_library.search("something so red", limit=20)
    second = red_library.search("something so red", limit=20, cursor=first.cursor)
    assert [hit.asset.id for hit in (*first.hits, *second.hits)] == whole


def test_a_saved_search_is_told_of_what_a_search_would_find_in_the_library_as_it_has_grown(
    library: opsin.Library, tmp_path: Path
) -> None:
    library.webhooks.create("https://hooks.example/", ["search.*"])
    library.searches.create("something so blue")
    library.add(jpeg_bytes(make_picture("red", "cross", 64)))
    assert len(told(library)) == 1  # a few pictures are not cut off
    library.add(reds(tmp_path / "reds", SHADES))
    before = len(told(library))
    library.add(jpeg_bytes(make_picture("red", "ring", 64)), jpeg_bytes(make_picture("blue", "ring", 64)))
    (event,) = told(library)[before:]
    hits = library.search("something so blue").hits
    assert [hit.asset.id for hit in hits] == [event["asset"]["id"]]
    assert hits[0].score == pytest.approx(event["searches"][0]["score"], abs=1e-3)


def test_the_rare_things_are_encoded_once_and_a_damaged_cache_is_made_again(
    make_library: MakeLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPSIN_CACHE", str(tmp_path / "cache"))
    asked: list[int] = []
    encode = FakeEncoder.encode_texts

    def noting(self: FakeEncoder, texts: list[str]) -> NDArray[np.float32]:
        asked.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(FakeEncoder, "encode_texts", noting)
    folder = reds(tmp_path / "reds", LEAST)
    for place in ("a", "b"):
        library = make_library(place)
        library.add(folder)
        assert library.search("something so blue").hits == ()
        assert library.search("something so blue").hits == ()
    assert asked.count(len(RARE)) == 1
    (stored,) = (tmp_path / "cache" / "search").iterdir()
    stored.write_bytes(stored.read_bytes()[:99])
    library = make_library("c")
    library.add(folder)
    assert library.search("something so blue").hits == ()
    assert asked.count(len(RARE)) == 2
    assert "is made again" in caplog.text


def test_a_match_reaches_what_half_of_the_rare_things_do_not_reach() -> None:
    rows = np.random.default_rng(3).standard_normal((600, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    bar = Bar.of(rows[:101], rows[101:])
    best = np.sort((rows[:101] @ rows[101:].T).max(axis=1))
    scale = Background.of(rows[:0]).scale(rows[:3], [{"text"}] * 3).barred(bar, np.ones(3, np.bool_))
    low, middle, high = scale.scores(best[[49, 50, 51]])
    assert low < middle < high
    assert middle == pytest.approx(0.5)
