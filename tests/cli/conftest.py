"""Runs the command line inside the test's process, on a library with the fake encoder."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import opsin
from opsin.cli import main
from opsin.testing import jpeg_bytes, make_picture

SETTINGS = """\
[host]
extra_plugins = ["opsin.testing.plugin"]

[plugins.starter]
enabled = false

[plugins.open_clip]
enabled = false
"""


class Ran(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """What was printed with ``--json``."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `opsin` with these arguments."""

    def run_(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["opsin", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run_


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a library of six pictures, which tests copy instead of adding them each time."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "photos").mkdir()
    for colour in ("red", "green", "blue"):
        for shape in ("square", "circle"):
            (folder / "photos" / f"{colour}-{shape}.jpg").write_bytes(jpeg_bytes(make_picture(colour, shape, 96)))
    (folder / "library").mkdir()
    (folder / "library" / "opsin.toml").write_text(SETTINGS, "utf-8")
    with opsin.init(folder / "library", encoder="fake") as library:
        library.add(folder / "photos")
    return folder


@pytest.fixture
def photos(tmp_path: Path, made_once: Path) -> Path:
    """Return a folder with the pictures of the library ``home``: red, green and blue; squares and circles."""
    return Path(shutil.copytree(made_once / "photos", tmp_path / "photos"))


@pytest.fixture
def home(made_once: Path, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a library with the six pictures of ``photos``, closed, which OPSIN_HOME names."""
    root = tmp_path / "home"
    shutil.copytree(made_once / "library", root)
    with closing(sqlite3.connect(root / "catalogue.sqlite")) as catalogue, catalogue:
        catalogue.execute("UPDATE asset SET location = ? || '/' || name", (str(photos),))
    monkeypatch.setenv("OPSIN_HOME", str(root))
    return root


@pytest.fixture
def with_plugin(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that gives the library one more plugin, from a module of this name."""
    given: list[str] = []

    def add(name: str, text: str) -> Path:
        given.append(name)
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        settings = home / "opsin.toml"
        old = 'extra_plugins = ["opsin.testing.plugin"'
        settings.write_text(settings.read_text("utf-8").replace(old, f'{old}, "{name}"'), "utf-8")
        return home

    yield add
    for name in given:
        sys.modules.pop(name, None)
