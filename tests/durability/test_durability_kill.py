"""A killed `opsin` loses nothing that it acknowledged, leaves nothing half visible, and goes on where it stopped."""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin

if TYPE_CHECKING:
    from tests.durability.conftest import FreshLibrary
    from tests.durability.durable_check import Acknowledged, parse, problems
    from tests.nursery import Forked, Nursery, nursery
else:
    from durable_check import parse, problems
    from nursery import Forked, Nursery, nursery

_KILLS = 5
"""In each of the four cases below: 20 in all."""
_SEED = 20240611
_PICTURES = 40


class _Case:
    """Adds the same folder again and again, killed each time, to a library until it is full, then to the next."""

    def __init__(self, forking: Nursery, fresh_library: FreshLibrary, photos: Path, *options: str) -> None:
        self._forking = forking
        self._roots = (fresh_library(f"library-{number}") for number in itertools.count())
        self._photos = photos
        self._options = options
        self.root = next(self._roots)
        self.acknowledged: dict[str, Acknowledged] = {}

    def start(self) -> Forked:
        return self._forking.start(
            "add", "--json", "--tag", "trip", *self._options, "--library", self.root, self._photos
        )

    def check(self, running: Forked, moment: str) -> None:
        """Look at everything after a kill, and go on with an empty library where this one is full."""
        for line in parse(running.output.encode()):
            # Unchanged: it was durable before, though perhaps the line that says so was not written any more.
            assert line["status"] in {"added", "unchanged"}, (moment, line)
            self.acknowledged.setdefault(line["source"], line)
        assert running.left() == [], moment
        assert problems(self.root, list(self.acknowledged.values())) == [], moment
        if len(self.acknowledged) == _PICTURES:
            self.complete(moment)
            self.root = next(self._roots)
            self.acknowledged = {}

    def complete(self, moment: str) -> None:
        """Add once more, to the end."""
        running = self.start()
        assert running.wait() == 0, (moment, running.errors)
        lines = parse(running.output.encode())
        assert len(lines) == _PICTURES, moment
        for line in lines:
            before = self.acknowledged.setdefault(line["source"], line)
            assert before["id"] == line["id"], (moment, "an acknowledged picture got another asset")
        assert problems(self.root, list(self.acknowledged.values())) == [], moment
        with opsin.open(self.root, readonly=True) as library:
            assert library.count() == _PICTURES, moment


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Return what starts `opsin` without importing it each time."""
    with nursery(tmp_path_factory.mktemp("nursery") / "said") as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(
    forking: Nursery, empty_library: Path, many_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, float]:
    """Return after how many seconds a run that nobody kills acknowledges its first picture, and ends."""
    root = shutil.copytree(empty_library, tmp_path_factory.mktemp("undisturbed") / "library")
    begun = time.monotonic()
    running = forking.start("add", "--json", "--library", root, many_photos)
    running.wait_for_lines(1)
    first = time.monotonic() - begun
    assert running.wait() == 0, running.errors
    return first, time.monotonic() - begun


@pytest.mark.parametrize("options", [(), ("--copy",)], ids=["referenced", "copied"])
def test_a_kill_some_time_after_the_start_loses_nothing_acknowledged(
    forking: Nursery,
    fresh_library: FreshLibrary,
    many_photos: Path,
    undisturbed: tuple[float, float],
    options: tuple[str, ...],
) -> None:
    chosen = random.Random(f"{_SEED} time {options}")
    first, last = undisturbed
    case = _Case(forking, fresh_library, many_photos, *options)
    for number in range(_KILLS):
        # Mostly while pictures are under way, now and then while the process still starts.
        after = chosen.uniform(0, first) if number == 0 else chosen.uniform(first, last)
        running = case.start()
        time.sleep(after)
        running.kill()
        case.check(running, f"seed {_SEED}, kill {number} after {after:.3f} s")
    case.complete("at the end")


@pytest.mark.parametrize("options", [(), ("--copy",)], ids=["referenced", "copied"])
def test_a_kill_some_lines_after_the_start_loses_nothing_acknowledged(
    forking: Nursery, fresh_library: FreshLibrary, many_photos: Path, options: tuple[str, ...]
) -> None:
    chosen = random.Random(f"{_SEED} lines {options}")
    case = _Case(forking, fresh_library, many_photos, *options)
    for number in range(_KILLS):
        # What is known already is acknowledged at once, and counts as a line.
        lines = len(case.acknowledged) + chosen.randint(1, 15)
        after = chosen.uniform(0, 0.03)
        running = case.start()
        running.wait_for_lines(min(lines, _PICTURES))
        time.sleep(after)
        running.kill()
        case.check(running, f"seed {_SEED}, kill {number} {after:.3f} s after line {lines}")
    case.complete("at the end")


def test_a_kill_while_the_index_is_written_out_loses_nothing_acknowledged(
    forking: Nursery, fresh_library: FreshLibrary, many_photos: Path
) -> None:
    chosen = random.Random(f"{_SEED} close")
    case = _Case(forking, fresh_library, many_photos)
    for number in range(3):
        # The last line is followed by the snapshot and the end of the decoders.
        after = chosen.uniform(0, 0.05)
        running = case.start()
        running.wait_for_lines(_PICTURES)
        time.sleep(after)
        running.kill()
        case.check(running, f"seed {_SEED}, kill {number} {after:.3f} s after the last line")


def test_a_killed_init_can_be_repeated(forking: Nursery, tmp_path: Path, settings_text: str) -> None:
    chosen = random.Random(f"{_SEED} init")
    for number, after in enumerate(_moments(forking, chosen, tmp_path, settings_text)):
        root = tmp_path / f"library-{number}"
        root.mkdir()
        (root / "opsin.toml").write_text(settings_text, "utf-8")
        running = forking.start("init", "--encoder", "fake", "--library", root)
        time.sleep(after)
        running.kill()
        moment = f"seed {_SEED}, kill {number} after {after:.3f} s"
        if not (root / "catalogue.sqlite").exists():
            again = forking.start("init", "--encoder", "fake", "--library", root)
            assert again.wait() == 0, (moment, again.errors)
        assert problems(root, []) == [], moment
        with opsin.open(root, readonly=True) as library:
            assert [vocabulary.name for vocabulary in library.vocabularies.list()] == ["everyday"], moment


def _moments(forking: Nursery, chosen: random.Random, tmp_path: Path, settings_text: str) -> Iterator[float]:
    """Yield moments within how long an undisturbed `opsin init` takes."""
    root = tmp_path / "undisturbed"
    root.mkdir()
    (root / "opsin.toml").write_text(settings_text, "utf-8")
    begun = time.monotonic()
    assert forking.start("init", "--encoder", "fake", "--library", root).wait() == 0
    whole = time.monotonic() - begun
    for _ in range(4):
        yield chosen.uniform(0, 1) * whole
