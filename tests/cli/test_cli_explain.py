"""`opsin explain` shows steps that lead to the score."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROW = re.compile(r"^\S+ +(\d\.\d+) +(-?\d+\.\d+)  x (\d\.\d+) = +(-?\d+\.\d+)$", re.MULTILINE)


def test_the_score_can_be_computed_again_from_what_is_printed(home: Path, run: Callable[..., Any]) -> None:
    out = run("explain", "red-circle.jpg", "red").out
    rows = [tuple(map(float, row)) for row in _ROW.findall(out)]
    assert len(rows) == 2
    total = 0.0
    for score, odds, weight, product in rows:
        assert math.isclose(math.log(score / (1 - score)), odds, abs_tol=0.01)
        assert math.isclose(odds * weight, product, abs_tol=0.001)
        total += product
    score = 1 / (1 + math.exp(-total))
    told = re.match(r"red: tagged, score (0\.\d{4});", out)
    assert told is not None
    assert math.isclose(score, float(told[1]), abs_tol=0.0005)
    first = run("explain", "red-circle.jpg", "red", "--json").lines[0]["evidence"][0]
    assert math.isclose(first["log_odds"], math.log(first["score"] / (1 - first["score"])))


def test_the_threshold_of_a_tag_and_that_of_a_categorizer_have_different_names(
    home: Path, run: Callable[..., Any]
) -> None:
    out = run("explain", "red-circle.jpg", "red").out
    assert "a tag needs more than 0.5" in out
    assert "its own threshold, where it scores 0.5: " in out
    assert not re.search(r"^ *threshold", out, re.MULTILINE)
    assert re.search(
        r"^colors, revision .*\n  plugin colors, vocabulary colors, revision [0-9a-f]{12}$", out, re.MULTILINE
    )
    assert "formula: score = share^2 / (share^2 + threshold^2)" in out


def test_a_label_that_nobody_judges_says_so(home: Path, run: Callable[..., Any]) -> None:
    run("label", "red-circle.jpg", "--add", "keeper")
    out = run("explain", "red-circle.jpg", "keeper").out
    assert "a person added it, and that decides" in out
    assert "no categorizer said anything about it" in out


def test_what_implies_a_tag_is_printed_with_its_score(home: Path, run: Callable[..., Any]) -> None:
    run("label", "red-circle.jpg", "--add", "dog")
    out = run("explain", "red-circle.jpg", "animal").out
    assert out.startswith("animal: tagged, score 1.0000; ")
    assert "implied by dog 1.0000; each can be explained in turn" in out
    told = run("explain", "red-circle.jpg", "animal", "--json").lines[0]
    assert (told["score"], told["implied_score"]) == (1, 1)
    if told["own_score"] is not None:
        assert f"the higher one counts: {told['own_score']:.4f} of its own, 1.0000 by what implies it" in out
