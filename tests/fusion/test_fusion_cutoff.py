"""What search holds for a match, judged by the query's own background."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from opsin.fusion.cutoff import BEST, REACH, TEXT_CUT, Background


def unit_rows(count: int, dim: int = 64, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def scores(
    background: Background, query: NDArray[np.float32], similarities: NDArray[np.float32], kind: set[str]
) -> NDArray[np.float32]:
    return background.scale(query[None], [kind]).scores(similarities)


def test_a_picture_that_fits_better_scores_higher() -> None:
    query = unit_rows(1, seed=1)[0]
    found = scores(Background.of(unit_rows(500)), query, np.linspace(-1, 1, 50, dtype=np.float32), {"text"})
    assert (np.diff(found) >= 0).all()
    assert found[0] < 0.01
    assert found[-1] > 0.99


def test_the_score_is_a_half_at_the_cut_off() -> None:
    background, query = Background.of(unit_rows(500)), unit_rows(1, seed=1)[0]
    near = np.sort(background.rows @ query)
    middle, reach = near.mean(), near[-BEST:].mean()
    similarity = middle + REACH * (reach - middle) + TEXT_CUT * near.std()
    assert scores(background, query, np.array([similarity], np.float32), {"text"})[0] == pytest.approx(0.5, abs=1e-3)


def test_what_background_pictures_reach_easily_is_no_match() -> None:
    background, query = Background.of(unit_rows(500)), unit_rows(1, seed=1)[0]
    usual = np.quantile(background.rows @ query, [0.5, 0.9]).astype(np.float32)
    assert (scores(background, query, usual, {"text"}) < 0.5).all()


def test_a_query_that_some_background_fits_exactly_asks_for_more() -> None:
    rows, query = unit_rows(500), unit_rows(1, seed=1)[0]
    known = np.concatenate((rows, query[None], query[None]))
    similarity = np.array([0.5], np.float32)
    assert scores(Background.of(known), query, similarity, {"text"}) < scores(
        Background.of(rows), query, similarity, {"text"}
    )


def test_without_a_background_nothing_is_cut_off() -> None:
    background = Background.of(np.zeros((0, 64), np.float32))
    query = unit_rows(1)[0]
    found = scores(background, query, np.array([-0.5, 0.1, 0.9], np.float32), {"text"})
    assert (found >= 0.5).all()
    assert found[2] > found[1]
    assert background.spread(query) == 1


def test_no_candidates_have_no_scores() -> None:
    assert scores(Background.of(unit_rows(10)), unit_rows(1)[0], np.zeros(0, np.float32), {"picture"}).shape == (0,)
