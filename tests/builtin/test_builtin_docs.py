"""The pages about the built-in plugins: their examples run and print what the page says, no setting is left out."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import msgspec
import pytest

import opsin_colors
import opsin_objects
import opsin_quality

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["colors.md", "objects.md"])
def test_the_example_prints_what_the_page_says(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(found[1], page, "exec"), {})
    shortened = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", printed.getvalue())
    assert shortened == found[2]


@pytest.mark.parametrize(
    ("page", "config"),
    [
        ("colors.md", opsin_colors.Config),
        ("objects.md", opsin_objects.Config),
        ("quality.md", opsin_quality.Config),
    ],
)
def test_every_setting_is_on_the_page_with_its_default(page: str, config: type[msgspec.Struct]) -> None:
    text = (DOCS / page).read_text("utf-8")
    for field in msgspec.structs.fields(config):
        row = re.search(rf"^\| `{field.name}` \| (\S+) \|", text, re.MULTILINE)
        assert row is not None, field.name
        if isinstance(field.default, int | float):
            assert float(row[1]) == field.default


def test_the_page_says_how_many_kinds_there_are() -> None:
    from opsin_objects.categorizer import CLASSES, Objects

    kinds = len(Objects(opsin_objects.Config()).vocabulary.labels) - CLASSES
    assert f"{kinds} kinds" in (DOCS / "objects.md").read_text("utf-8")
