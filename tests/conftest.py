"""Fixtures for every test: a cache of its own, and libraries with the fake encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import opsin
from opsin.testing import jpeg_bytes, make_picture

FAKE_SETTINGS = """\
[host]
extra_plugins = ["opsin.testing.plugin"]

[plugins.starter]
enabled = false

[plugins.open_clip]
enabled = false
"""

MakeLibrary = Callable[..., opsin.Library]


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Keep compiled networks between runs, but never in the user's own cache."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("opsin")
    before = os.environ.get("OPSIN_CACHE")
    os.environ["OPSIN_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["OPSIN_CACHE"]
    else:
        os.environ["OPSIN_CACHE"] = before


@pytest.fixture
def make_library(tmp_path: Path) -> Iterator[MakeLibrary]:
    """Return a function that makes (or opens again) a library with the fake encoder."""
    opened: list[opsin.Library] = []

    def make(
        name: str = "library",
        *,
        settings: str = "",
        readonly: bool = False,
        vocabularies: Sequence[str] = ("everyday",),
    ) -> opsin.Library:
        root = tmp_path / name
        if not (root / "catalogue.sqlite").exists():
            root.mkdir()
            (root / "opsin.toml").write_text(FAKE_SETTINGS + settings, "utf-8")
            opened.append(opsin.init(root, encoder="fake", vocabularies=vocabularies))
        else:
            opened.append(opsin.open(root, readonly=readonly))
        return opened[-1]

    yield make
    for library in opened:
        library.close()


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return an empty library with the fake encoder."""
    return make_library()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with six small pictures: red, green and blue; squares and circles."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in ("red", "green", "blue"):
        for shape in ("square", "circle"):
            (folder / f"{colour}-{shape}.jpg").write_bytes(jpeg_bytes(make_picture(colour, shape, 96)))
    return folder
