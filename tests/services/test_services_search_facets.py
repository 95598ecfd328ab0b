"""Facets of a search, and parts that are vectors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.errors import UsageError
from opsin.library import Facets
from opsin.services.finding.query import Part
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library with three pictures, two of them ann's."""
    made = make_library(vocabularies=())
    for colour, owner in (("red", "ann"), ("green", "ann"), ("blue", "Bo | b*")):
        made.add(Upload(jpeg_bytes(make_picture(colour, "square", 64)), f"{colour}.jpg"), owner=owner, tags=["toy"])
    made.tag("red.jpg", add=["old"])
    return made


def counts(facets: Facets | None) -> dict[str, dict[str, int]]:
    assert facets is not None
    return {field: {each.value: each.count for each in values} for field, values in facets.fields.items()}


def test_what_is_found_is_counted_whatever_the_page(library: opsin.Library) -> None:
    page = library.search("red", limit=1, facets=["tag", "owner", "format", "taken", "owner"])
    assert page.facets is not None
    assert (page.facets.counted, page.facets.complete) == (3, True)
    found = counts(page.facets)
    assert found["owner"] == {"ann": 2, "Bo | b*": 1}
    assert (found["format"], found["taken"]) == ({"jpeg": 3}, {})
    assert (found["tag"]["toy"], found["tag"]["old"]) == (3, 1)
    assert [each.count for each in page.facets.fields["tag"]] == sorted(found["tag"].values(), reverse=True)
    assert library.search("red").facets is None
    assert library.search("red", limit=1, cursor=page.cursor, facets=["owner"]).hits != page.hits


def test_facets_keep_to_the_conditions_and_count_what_a_hybrid_search_finds(library: opsin.Library) -> None:
    ann = library.search("toy", where=["owner=ann"], facets=["owner", "tag"])
    assert counts(ann.facets)["owner"] == {"ann": 2}
    assert counts(ann.facets)["tag"]["old"] == 1
    mixed = library.search("old", hybrid=True, where=["tag!=old"], facets=["tag"])
    assert "old" not in counts(mixed.facets)["tag"]
    nothing = library.search("red", where=["width>5000"], facets=["tag", "owner"]).facets
    assert (nothing, counts(nothing)) == (
        Facets(counted=0, complete=True, fields=nothing.fields if nothing else {}),
        {"tag": {}, "owner": {}},
    )
    with pytest.raises(UsageError, match="tag, owner, format, taken"):
        library.search("red", facets=["colour"])  # type: ignore[list-item]


def test_a_vector_is_a_part_of_a_query_as_what_it_was_made_from(library: opsin.Library) -> None:
    workspace = library._workspace
    (row,) = workspace.ready().encoder.encode_texts(["green"])
    vector = tuple(float(each) * 3 for each in row)
    by_words, by_vector = library.find([Part("text", "green")]), library.find([Part("vector", vector)])
    assert [hit.similarity for hit in by_vector.hits] == [hit.similarity for hit in by_words.hits]
    away = library.find([Part("vector", vector, -1)])
    assert away.hits[-1].asset.name == "green.jpg"
    for wrong in ((1.0,), (0.0,) * len(vector), (math.nan, *vector[1:]), (math.inf, *vector[1:]), ("x", *vector[1:])):
        with pytest.raises(UsageError):
            library.find([Part("vector", wrong)])  # type: ignore[arg-type]
