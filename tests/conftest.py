"""Fixtures for every test: a cache of its own, libraries with the fake encoder, and what to do without strace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

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

SHARED = Path(__file__).parents[2] / "shared" / "data"

MakeLibrary = Callable[..., opsin.Library]
Lacking = Callable[[str], NoReturn]


def lacking_here(reason: str) -> NoReturn:
    """Give up a test because this machine lacks what `make` cannot install: in CI a failure, elsewhere a skip.

    It is CI where ``CI`` is set and neither empty, 0 nor false: the one place where the tests ask.
    """
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        pytest.fail(f"{reason}; CI has to have it")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lacking() -> Lacking:
    """Return ``lacking_here``, as several files named conftest cannot be imported by name."""
    return lacking_here


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of shared test data, which lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"no test data in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def strace() -> str:
    """Return where strace is, for tests that read system calls or make them fail."""
    found = shutil.which("strace")
    if found is None:
        lacking_here("strace is not installed")
    tried = subprocess.run([found, "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        lacking_here(f"strace may not trace here: {tried.stderr.strip()}")
    return found


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_what_the_tests_start() -> None:
    """Undo what a shell does to `make test &`: its children, and theirs, would ignore SIGINT, and never be interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="session")
def new_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new library with the fake encoder, which is never changed: to copy it costs a tenth of making another."""
    root = tmp_path_factory.mktemp("new") / "library"
    root.mkdir()
    (root / "opsin.toml").write_text(FAKE_SETTINGS, "utf-8")
    opsin.init(root, encoder="fake").close()
    return root


@pytest.fixture
def make_library(tmp_path: Path, new_library: Path) -> Iterator[MakeLibrary]:
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
            if tuple(vocabularies) == ("everyday",):
                shutil.copytree(new_library, root)
                (root / "opsin.toml").write_text(FAKE_SETTINGS + settings, "utf-8")
            else:
                root.mkdir()
                (root / "opsin.toml").write_text(FAKE_SETTINGS + settings, "utf-8")
                opsin.init(root, encoder="fake", vocabularies=vocabularies).close()
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
