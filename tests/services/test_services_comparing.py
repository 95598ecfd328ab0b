"""Comparing new pictures with saved searches gives what a plain product of the vectors gives, however they are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from opsin.catalogue.assets import AssetRow
from opsin.fusion.cutoff import Background
from opsin.services.finding.filters import check_of, owner_of, parse
from opsin.services.telling.comparing import Known, Table

DIM = 16


def unit_rows(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def asset(number: int, owner: str | None = None) -> AssetRow:
    others: dict[str, Any] = dict.fromkeys(AssetRow.__struct_fields__)
    return AssetRow(**{**others, "row": number, "content_id": number, "owner": owner})


def known(
    queries: np.ndarray[Any, np.dtype[np.float32]], least: float, where: Callable[[int], str] = lambda _: ""
) -> Table:
    """Return searches for ``queries``, of which each has one condition or none."""
    scale = Background.of(unit_rows(50, 2)).scale(queries, [{"text"}] * len(queries))
    conditions = [[parse(where(place))] if where(place) else [] for place in range(len(queries))]
    return Table(
        [
            Known(
                id=str(place),
                name="",
                owner=owner_of(conditions[place]),
                conditions=where(place),
                checks=tuple(map(check_of, conditions[place])),
                names=frozenset(),
                query=query,
                scale=scale.at(np.array([place])),
                least=least,
            )
            for place, query in enumerate(queries)
        ]
    )


@pytest.mark.parametrize(
    "empty", [0, DIM // 2], ids=["every dimension used", "words leave half of the dimensions empty"]
)
def test_a_picture_matches_the_searches_whose_product_with_a_frame_comes_up_to_their_cut_off(empty: int) -> None:
    queries = unit_rows(40, 1)
    queries[:, DIM - empty :] = 0
    least = 0.3
    pictures = {number: unit_rows(frames, 10 + number) for number, frames in enumerate((1, 3, 1))}

    found = known(queries, least).matches(pictures, [asset(number) for number in pictures], dict.fromkeys(pictures, ()))

    expected = {
        number: np.flatnonzero((frames @ queries.T).max(axis=0) >= least).tolist()
        for number, frames in pictures.items()
    }
    assert any(expected.values())
    assert {number: [int(match.id) for match in found.get(number, [])] for number in pictures} == expected


OWNERS = ("ann", "ann b", None, "bob", "nobody's customer")


@pytest.mark.parametrize("together", [1, len(OWNERS)])
def test_searches_for_an_owner_match_that_owner_s_pictures_in_the_order_in_which_they_were_made(together: int) -> None:
    asked = ("", "owner=ann", "owner=bob|ann", "owner=ann*", "owner!=ann", "owner=bob", "owner=eve", "tag=dog")
    queries, pictures = (
        unit_rows(len(asked) * 20, 1),
        {number: unit_rows(1, 10 + number) for number in range(len(OWNERS))},
    )
    table = known(queries, 0.0, lambda place: asked[place % len(asked)])
    rows = [asset(number, owner) for number, owner in enumerate(OWNERS)]

    found: dict[int, list[int]] = {}
    for start in range(0, len(rows), together):
        matched = table.matches(pictures, rows[start : start + together], dict.fromkeys(pictures, ()))
        found |= {number: [int(each.id) for each in those] for number, those in matched.items()}

    fitting = {"ann": {0, 1, 2, 3}, "ann b": {0, 3, 4}, None: {0, 4}, "bob": {0, 2, 4, 5}, "nobody's customer": {0, 4}}
    for number, owner in enumerate(OWNERS):
        near = np.flatnonzero((pictures[number] @ queries.T)[0] >= 0)
        assert found[number] == [place for place in near.tolist() if place % len(asked) in fitting[owner]]


def test_one_picture_of_two_owners_matches_what_each_of_them_saved() -> None:
    queries = unit_rows(2, 1)
    table = known(queries, -1.0, lambda place: f"owner={'ann' if place else 'bob'}")
    rows = [msgspec.structs.replace(asset(number, owner), content_id=7) for number, owner in enumerate(["ann", "bob"])]

    found = table.matches({7: unit_rows(1, 3)}, rows, {0: (), 1: ()})

    assert {number: [each.id for each in matched] for number, matched in found.items()} == {0: ["1"], 1: ["0"]}
