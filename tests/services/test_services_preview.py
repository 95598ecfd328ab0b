"""Previews are kept for the next time, and however many sizes are asked for, few are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.services.assets.preview import MOST_KEPT
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED, GREEN = (jpeg_bytes(make_picture(colour, "square", 96)) for colour in ("red", "green"))


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    return make_library(vocabularies=())


def kept(library: opsin.Library) -> list[str]:
    found = sorted((library.path / "previews").glob("*/*"), key=lambda path: path.stat().st_mtime_ns)
    return [path.name.partition("-")[2] for path in found]


def test_the_last_previews_of_a_picture_are_kept_and_those_of_others_are_left_alone(library: opsin.Library) -> None:
    (red,), (green,) = library.add(RED), library.add(GREEN)
    library.preview(str(green.id), width=20)
    for width in range(16, 16 + MOST_KEPT + 3):
        assert library.preview(str(red.id), width=width)[8:12] == b"WEBP"
    assert kept(library) == ["20.webp", *(f"{width}.webp" for width in range(19, 16 + MOST_KEPT + 3))]
    assert library.preview(str(red.id), width=16)[8:12] == b"WEBP", "what is not kept is made again"


def test_sizes_larger_than_the_picture_are_one_preview(library: opsin.Library) -> None:
    (red,) = library.add(RED)
    found = {library.preview(str(red.id), width=width) for width in (96, 97, 1000, 4096)}
    assert len(found) == 1
    assert kept(library) == ["96.webp"]


def test_a_preview_that_is_taken_away_while_it_is_asked_for_is_made_again(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (red,) = library.add(RED)
    first = library.preview(str(red.id), width=32)
    read = Path.read_bytes

    def late(path: Path) -> bytes:
        if path.suffix == ".webp":
            path.unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", late)
    assert library.preview(str(red.id), width=32) == first
