"""Fixtures of the durability tests: a library to copy, and many small pictures that all differ."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import opsin
from opsin.testing import jpeg_bytes, make_noise, make_picture

_SETTINGS = """\
[host]
extra_plugins = ["opsin.testing.plugin"]

[decode]
workers = 2
"""
_OFF = "\n[plugins.{name}]\nenabled = false\n"

FreshLibrary = Callable[[str], Path]


@pytest.fixture(scope="session")
def settings_text() -> str:
    """Return the settings of a library with the fake encoder and what needs no weights."""
    return _SETTINGS + "".join(_OFF.format(name=name) for name in ("starter", "open_clip", "objects", "colors"))


@pytest.fixture(scope="session")
def empty_library(tmp_path_factory: pytest.TempPathFactory, settings_text: str) -> Path:
    """Return a library that is never changed; without vocabularies, as hundreds of labels only take time here."""
    root = tmp_path_factory.mktemp("empty") / "library"
    root.mkdir()
    (root / "opsin.toml").write_text(settings_text, "utf-8")
    opsin.init(root, encoder="fake", vocabularies=()).close()
    return root


@pytest.fixture(scope="session")
def wordy_library(tmp_path_factory: pytest.TempPathFactory, settings_text: str) -> Path:
    """Return a library that is never changed, whose vocabulary makes the catalogue grow faster."""
    root = tmp_path_factory.mktemp("wordy") / "library"
    root.mkdir()
    (root / "opsin.toml").write_text(settings_text, "utf-8")
    opsin.init(root, encoder="fake").close()
    return root


@pytest.fixture
def fresh_library(empty_library: Path, tmp_path: Path) -> FreshLibrary:
    """Return a function that makes an empty library of a name."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(empty_library, tmp_path / name))

    return make


@pytest.fixture(scope="session")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 40 pictures: plain shapes, which get tags, and noise."""
    folder = tmp_path_factory.mktemp("many")
    colours = ("red", "green", "blue", "yellow", "orange", "purple", "cyan", "pink")
    for number in range(40):
        plain = make_picture(colours[number % 8], "square", 64 + number)
        pixels = make_noise(number, 96) if number % 3 == 0 else plain
        (folder / f"{number:02}.jpg").write_bytes(jpeg_bytes(pixels))
    return folder
