"""What a process and all below it hold, read from /proc (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")


class Held(msgspec.Struct, frozen=True):
    """What a tree of processes holds. ``pss``: MB, what is shared counted in parts; ``shared``: segments of shared memory.

    ``own`` is the part of ``pss`` that no file is behind: the rest moves with what others on the machine have open, too.
    """

    pss: float
    own: float
    files: int
    threads: int
    processes: int
    shared: int


def tree(process: int) -> list[int]:
    """Return ``process`` and all below it."""
    found = [process]
    for pid in found:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def pss_mb(process: int) -> float:
    """Return the proportional set size of ``process`` and all below it, in MB."""
    return sum(_pss_kb(pid) for pid in tree(process)) * 1024 / 1e6


def cpu_seconds(process: int) -> float:
    """Return the processor time of ``process``, all below it, and all of those that ended, in seconds."""
    total = 0
    for pid in tree(process):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def held(process: int) -> Held:
    """Return what ``process`` and all below it hold now."""
    pids = tree(process)
    links = [link for pid in pids for link in _open_files(pid)]
    return Held(
        pss=sum(map(_pss_kb, pids)) * 1024 / 1e6,
        own=sum(_number(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for pid in pids) * 1024 / 1e6,
        files=len(links),
        threads=sum(map(_threads, pids)),
        processes=len(pids),
        shared=sum(link.startswith(("/memfd:", "/dev/shm/")) for link in links),
    )


def _pss_kb(pid: int) -> int:
    return _number(pid, "smaps_rollup", ("Pss:",))


def _threads(pid: int) -> int:
    return _number(pid, "status", ("Threads:",))


def _number(pid: int, file: str, names: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(names))


def _open_files(pid: int) -> Iterator[str]:
    try:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            yield str(file.readlink())
    except OSError:
        return
