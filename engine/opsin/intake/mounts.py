"""Finds the folders in which another file system begins: disks, network folders, and links to either."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

from opsin.intake.source import path_location


class Mounts:
    """What was seen of the folders that were looked at, and of those above them.

    ``found`` holds the locations of the folders in which another file system begins than in the folder above.
    """

    def __init__(self) -> None:
        self._devices: dict[Path, int | None] = {}
        self.found: set[str] = set()

    def look(self, folder: Path) -> None:
        """Look at a folder and at those above it, at each once."""
        new: list[Path] = []
        for place in (folder, *folder.parents):
            if place in self._devices:
                break
            self._devices[place] = _device(place)
            new.append(place)
        for place in new:
            begins, above = self._devices[place], self._devices[place.parent]
            if None not in (begins, above) and begins != above:
                self.found.add(path_location(place))

    def among(self, known: AbstractSet[str]) -> frozenset[str]:
        """Return what is found, with what was ``known`` before and was not seen to be an ordinary folder now."""
        seen = (
            {path_location(place) for place, device in self._devices.items() if device is not None} if known else set()
        )
        return frozenset((known - seen) | self.found)


def _device(folder: Path) -> int | None:
    """Return the number of the file system that a folder is on, None where it cannot be looked at."""
    try:
        return folder.stat().st_dev
    except OSError:
        return None
