"""How many cores this process may use: those that it may run on, and no more than its container or service is granted."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return how many cores this process may use, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = granted_cores()
    return cores if granted is None else max(1, min(cores, math.ceil(granted)))


def granted_cores(groups: Path = _GROUPS, own: Path = _OWN) -> float | None:
    """Return how many cores' time Linux grants this process' control group; None where that has no limit, or there is none.

    It is what ``--cpus`` of a container and ``CPUQuota=`` of a service set. Limits of groups around it are not looked at.
    ``groups`` is where control groups are mounted, ``own`` tells which one is this process' (cgroups(7)).
    """
    mine = "".join(line[3:] for line in _text(own).splitlines() if line.startswith("0::/"))
    limits = [
        _text(groups / mine.strip("/") / "cpu.max"),
        # In a container what is mounted is its own group, whatever name it has outside. The last is of version 1.
        _text(groups / "cpu.max"),
        f"{_text(groups / 'cpu/cpu.cfs_quota_us')} {_text(groups / 'cpu/cpu.cfs_period_us')}",
    ]
    for limit in limits:
        match limit.split():
            case [quota, period] if quota.isdigit() and period.isdigit() and int(period):
                return int(quota) / int(period)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
