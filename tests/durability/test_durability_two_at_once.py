"""Two processes on one library: one writes, the other is told which one does, and readers go on meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import opsin

if TYPE_CHECKING:
    from tests.durability.conftest import FreshLibrary
    from tests.durability.durable_check import parse, problems
    from tests.durability.durable_process import Running, opsin_command
else:
    from durable_check import parse, problems
    from durable_process import Running, opsin_command


def test_a_second_add_is_told_who_owns_the_library_and_readers_go_on(
    fresh_library: FreshLibrary, many_photos: Path
) -> None:
    root = fresh_library("library")
    with opsin.open(root) as owner:
        outcomes = owner.add_each(many_photos, copy=True)
        acknowledged = [next(outcomes).id for _ in range(5)]
        # The owner stands in the middle of its pictures while others come.
        second = opsin_command("add", "--json", "--library", root, many_photos)
        assert second.process.returncode == 4
        assert f"in use by process {os.getpid()}:".encode() in second.errors
        assert second.output == b""
        for command in (("search", "red", "--all", "--limit", "1000"), ("list",)):
            read = opsin_command(*command, "--json", "--library", root)
            assert read.process.returncode == 0, read.errors
            for name in acknowledged:
                assert str(name).encode() in read.output
        assert len(acknowledged) + len(list(outcomes)) == 40
    assert problems(root, [{"id": name, "source": name} for name in acknowledged]) == []


def test_two_adds_begun_together_add_everything_once(fresh_library: FreshLibrary, many_photos: Path) -> None:
    root = fresh_library("library")
    both = [Running("add", "--json", "--library", root, many_photos) for _ in range(2)]
    # One may have ended before the other begins; then both did their work.
    statuses = sorted(running.wait() for running in both)
    assert statuses in ([0, 4], [0, 0]), [running.errors for running in both]
    for running in both:
        if running.process.returncode == 4:
            assert b"in use by process" in running.errors
    lines = [line for running in both for line in parse(running.output)]
    assert sum(line["status"] == "added" for line in lines) == 40
    assert problems(root, lines) == []


def test_a_search_beside_a_running_add_finds_what_is_acknowledged(
    fresh_library: FreshLibrary, many_photos: Path
) -> None:
    root = fresh_library("library")
    running = Running("add", "--json", "--copy", "--library", root, many_photos)
    running.wait_for_lines(5)
    acknowledged = parse(running.output)
    found = opsin_command("search", "red", "--all", "--json", "--limit", "1000", "--library", root)
    assert found.process.returncode == 0, found.errors
    for line in acknowledged:
        assert str(line["id"]).encode() in found.output
    assert running.wait() == 0, running.errors


def test_an_owner_that_was_killed_owns_nothing(fresh_library: FreshLibrary, many_photos: Path) -> None:
    root = fresh_library("library")
    running = Running("add", "--json", "--library", root, many_photos)
    running.wait_for_lines(1)
    running.kill()
    assert (root / "owner").exists()
    again = opsin_command("add", "--json", "--library", root, many_photos)
    assert again.process.returncode == 0, again.errors
