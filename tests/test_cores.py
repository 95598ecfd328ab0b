"""How many cores are used: those that the process may run on, and no more than its control group is granted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsin import cores
from opsin.cores import available_cores, granted_cores


def granted(folder: Path, files: dict[str, str], own: str = "0::/\n") -> float | None:
    for name, text in files.items():
        path = folder / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "own").write_text(own, "utf-8")
    return granted_cores(folder / "groups", folder / "own")


def test_cores_are_counted_from_what_the_process_may_use() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("share", "count"), [(0.25, 1), (1.0, 1), (1.5, 2), (2.0, 2), (64.0, 4), (None, 4)])
def test_of_a_part_of_a_core_all_is_used_and_of_more_than_there_are_none(
    monkeypatch: pytest.MonkeyPatch, share: float | None, count: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(cores, "granted_cores", lambda: share)
    assert available_cores() == count


def test_a_container_is_granted_what_its_own_group_says(tmp_path: Path) -> None:
    assert granted(tmp_path, {"cpu.max": "150000 100000\n"}) == 1.5


def test_a_service_is_granted_what_the_group_that_it_is_in_says(tmp_path: Path) -> None:
    files = {"system.slice/opsin.service/cpu.max": "200000 100000\n", "system.slice/cpu.max": "max 100000\n"}
    assert granted(tmp_path, files, own="0::/system.slice/opsin.service\n") == 2


def test_a_container_of_an_older_machine_is_granted_what_version_1_says(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "50000\n"}
    assert granted(tmp_path, files, own="1:cpu:/machine/c4f3\n0::/machine/c4f3\n") == 2


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": ""},
        {"cpu.max": "100000 0\n"},
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_where_nothing_is_said_there_is_no_limit(tmp_path: Path, files: dict[str, str]) -> None:
    assert granted(tmp_path, files) is None
