"""What the service held through the run, and whether that grew."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence

import msgspec
from benchmarks.processes import Held, held

EARLY = (0.20, 0.35)
LATE = (0.87, 1.0)
"""Parts of the run that are compared: both under the same load; the second one after the faults have ended."""
GROWTH = {"own": 1.15, "files": 1.15, "threads": 1.1, "processes": 1.1, "shared": 1.1}
"""How many times as much there may be late as early: what is leaked grows with every fault, of which there are hundreds."""
NAMES = {
    "pss": "PSS, MB",
    "own": "PSS without what files are behind, MB",
    "files": "open files",
    "shared": "segments of shared memory",
}


class Sample(msgspec.Struct, frozen=True):
    """What was held when so much of the run had passed."""

    part: float
    held: Held


class Samples:
    """Looks at a process tree from time to time. ``process``: of the service."""

    def __init__(self, process: int) -> None:
        self._process = process
        self.taken: list[Sample] = []

    async def take(self, seconds: float, every: float) -> None:
        """Look every so many seconds for so long."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            self.taken.append(Sample(passed / seconds, await asyncio.to_thread(held, self._process)))
            await asyncio.sleep(every)


def median(samples: Sequence[Sample], part: tuple[float, float], name: str) -> float:
    """Return the median of one thing in a part of the run."""
    return statistics.median(float(getattr(each.held, name)) for each in samples if part[0] <= each.part <= part[1])
