"""What search holds for a match, judged by the query's own background."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from opsin.fusion.cutoff import BEST, REACH, TEXT_CUT, Background


def unit_rows(count: int, dim: int = 64, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_a_picture_that_fits_better_scores_higher() -> None:
    query = unit_rows(1, seed=1)[0]
    scores = Background.of(unit_rows(500)).scores(query, np.linspace(-1, 1, 50, dtype=np.float32), {"text"})
    assert (np.diff(scores) >= 0).all()
    assert scores[0] < 0.01
    assert scores[-1] > 0.99


def test_the_score_is_a_half_at_the_cut_off() -> None:
    background, query = Background.of(unit_rows(500)), unit_rows(1, seed=1)[0]
    near = np.sort(background.rows @ query)
    middle, reach = near.mean(), near[-BEST:].mean()
    similarity = middle + REACH * (reach - middle) + TEXT_CUT * near.std()
    assert background.scores(query, np.array([similarity], np.float32), {"text"})[0] == pytest.approx(0.5, abs=1e-3)


def test_what_background_pictures_reach_easily_is_no_match() -> None:
    background, query = Background.of(unit_rows(500)), unit_rows(1, seed=1)[0]
    usual = np.quantile(background.rows @ query, [0.5, 0.9]).astype(np.float32)
    assert (background.scores(query, usual, {"text"}) < 0.5).all()


def test_a_query_that_some_background_fits_exactly_asks_for_more() -> None:
    rows, query = unit_rows(500), unit_rows(1, seed=1)[0]
    known = np.concatenate((rows, query[None], query[None]))
    similarity = np.array([0.5], np.float32)
    assert Background.of(known).scores(query, similarity, {"text"}) < Background.of(rows).scores(
        query, similarity, {"text"}
    )


def test_without_a_background_nothing_is_cut_off() -> None:
    background = Background.of(np.zeros((0, 64), np.float32))
    query = unit_rows(1)[0]
    scores = background.scores(query, np.array([-0.5, 0.1, 0.9], np.float32), {"text"})
    assert (scores >= 0.5).all()
    assert scores[2] > scores[1]
    assert background.spread(query) == 1


def test_no_candidates_have_no_scores() -> None:
    assert Background.of(unit_rows(10)).scores(unit_rows(1)[0], np.zeros(0, np.float32), {"picture"}).shape == (0,)
