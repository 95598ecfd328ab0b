"""The numbers in docs/scores.md and in the decision are those of the code."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from opsin import Match, Report
from opsin.fusion import FLOOR, SILENT_WEIGHT, fuse
from opsin.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
SCORES = (DOCS / "scores.md").read_text("utf-8")
DECISION = (DOCS / "decisions" / "020-fusion.md").read_text("utf-8")


def fused(own: float, *, other: float | None = None, knows: bool = True) -> float:
    reports = [
        Report(categorizer="a", revision="1", family="a", status="ok", matches=(Match("x", own),)),
        Report(
            categorizer="b",
            revision="1",
            family="b",
            status="ok",
            matches=() if other is None else (Match("x", other),),
        ),
    ]
    return fuse(reports, scopes={"b": {"x"}} if knows else {})[0].score


def test_the_example_of_the_page_comes_out() -> None:
    assert fused(0.9, other=0.5) == pytest.approx(0.75)
    assert "score 0.75" in SCORES


def test_the_reasons_of_the_decision_hold() -> None:
    assert f"scored {FLOOR}" in DECISION
    assert SILENT_WEIGHT == 0.25
    assert "weighs a quarter" in DECISION
    assert round(fused(0.8, other=FLOOR), 2) == 0.31
    assert round(fused(0.55), 2) == 0.39
    assert fused(0.55, knows=False) == 0.55


def test_the_settings_of_the_page_are_settings() -> None:
    block = SCORES.partition("```toml\n")[2].partition("```")[0]
    settings = msgspec.convert(tomllib.loads(block), Settings)
    assert settings.tags.labels["dog"] == 0.7
