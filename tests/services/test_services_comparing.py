"""Comparing new pictures with saved searches gives what a plain product of the vectors gives, however they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opsin.catalogue.assets import AssetRow
from opsin.fusion.cutoff import Background
from opsin.services.comparing import Known, Table

DIM = 16


def unit_rows(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def asset(number: int) -> AssetRow:
    others: dict[str, Any] = dict.fromkeys(AssetRow.__struct_fields__)
    return AssetRow(**{**others, "row": number, "content_id": number})


@pytest.mark.parametrize(
    "empty", [0, DIM // 2], ids=["every dimension used", "words leave half of the dimensions empty"]
)
def test_a_picture_matches_the_searches_whose_product_with_a_frame_comes_up_to_their_cut_off(empty: int) -> None:
    queries = unit_rows(40, 1)
    queries[:, DIM - empty :] = 0
    scale = Background.of(unit_rows(50, 2)).scale(queries, [{"text"}] * len(queries))
    least = 0.3
    table = Table.of(
        [
            Known(
                id=str(place),
                name="",
                conditions="",
                checks=(),
                names=frozenset(),
                query=query,
                scale=scale.at(np.array([place])),
                least=least,
            )
            for place, query in enumerate(queries)
        ]
    )
    pictures = {number: unit_rows(frames, 10 + number) for number, frames in enumerate((1, 3, 1))}

    found = table.matches(pictures, [asset(number) for number in pictures], dict.fromkeys(pictures, ()))

    expected = {
        number: np.flatnonzero((frames @ queries.T).max(axis=0) >= least).tolist()
        for number, frames in pictures.items()
    }
    assert any(expected.values())
    assert {number: [int(match.id) for match in found.get(number, [])] for number in pictures} == expected
    assert table.queries.shape == (40, DIM - empty)
