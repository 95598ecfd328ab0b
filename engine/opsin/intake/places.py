"""Looks at places that a library knows: whether a picture is still there, and what an argument of `add` covers."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

from opsin.errors import SourceUnavailable
from opsin.intake.source import FileSource, Source, path_location, path_of
from opsin.intake.stores import BUCKETS, OpenStore, Stores

Range = tuple[str, str]
"""Locations from the first one on, up to but without the second one."""


class Places:
    """Looks at places, each bucket opened once.

    ``mounts``: the locations of folders in which another file system began when they were last seen.
    """

    def __init__(self, open_store: OpenStore | None = None, mounts: AbstractSet[str] = frozenset()) -> None:
        self._stores = Stores(open_store)
        self.mounts = mounts

    def look(self, location: str) -> Source | None:
        """Return what is at a location that ``expand`` gave, None where there is nothing any more.

        :raises SourceUnavailable: where that cannot be said, e.g. because a folder may not be read.
        """
        if _is_bucket(location):
            return self._stores.look(location)
        path = path_of(location)
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            msg = f"{location} cannot be looked at: {error.strerror or error}."
            raise SourceUnavailable(msg) from error
        return FileSource.of(path)

    def some_below(self, url: str) -> bool:
        """Return whether a bucket holds anything at or below ``url``; where that cannot be said, it may."""
        return self._stores.some_below(url)


@dataclass(frozen=True, slots=True)
class Scope(ABC):
    """What one argument covers. ``location`` is the argument's own; ``ranges`` hold every location that it covers."""

    location: str
    ranges: tuple[Range, ...]

    @abstractmethod
    def covers(self, location: str) -> bool:
        """Return whether a location within the ranges is meant."""

    @abstractmethod
    def is_missing(self, places: Places) -> bool:
        """Return whether what the argument names is not there at all; where that cannot be said, it is."""

    @abstractmethod
    def hollow(self, location: str, places: Places) -> str | None:
        """Return the folder that is empty or missing as a whole where ``location`` should be, else None.

        A disk that is not mounted, or a wrong bucket, looks like that. A folder that is missing from one that is there was
        deleted, unless another file system began in it.
        """


@dataclass(frozen=True, slots=True)
class FolderScope(Scope):
    """A file, or a folder with everything below it; with ``pattern`` only what a glob matches there."""

    top: Path
    pattern: tuple[re.Pattern[str] | None, ...] = ()

    @classmethod
    def of(cls, top: Path, pattern: Sequence[str] = ()) -> FolderScope:
        """Return the scope of the absolute path ``top``. ``pattern`` are the parts of a glob below it."""
        location, url = path_location(top), path_location(top, as_url=True)
        ranges = [_below(url)] if location == url else [_below(url), _below(location)]
        compiled = tuple(None if part == "**" else re.compile(translate(part)) for part in pattern)
        return cls(location, (*(() if pattern else (_only(location),)), *ranges), top, compiled)

    def covers(self, location: str) -> bool:
        if not self.pattern:
            return True
        return _fits(self.pattern, path_of(location).relative_to(self.top).parts)

    def is_missing(self, places: Places) -> bool:
        try:
            return not self.pattern and places.look(self.location) is None
        except SourceUnavailable:
            return False

    def hollow(self, location: str, places: Places) -> str | None:
        top = self.top if location != self.location else self.top.parent
        folder, unmounted = path_of(location).parent, None
        while not _is_there(folder):
            if folder in (top, folder.parent):
                return str(top)
            if path_location(folder) in places.mounts:
                unmounted = str(folder)
            folder = folder.parent
        return unmounted if unmounted or _holds_something(folder) else str(folder)


@dataclass(frozen=True, slots=True)
class BucketScope(Scope):
    """An object, or everything below a prefix of a bucket."""

    @classmethod
    def of(cls, url: str) -> BucketScope:
        scheme, _, rest = url.partition("://")
        location = f"{scheme.lower()}://{rest.rstrip('/')}"
        return cls(location, (_only(location), _below(location)))

    def covers(self, location: str) -> bool:  # noqa: ARG002 - all of the ranges
        return True

    def is_missing(self, places: Places) -> bool:
        return not places.some_below(self.location)

    def hollow(self, location: str, places: Places) -> str | None:
        parent = location.rpartition("/")[0] if location == self.location else self.location
        return None if places.some_below(parent) else parent


def _is_bucket(location: str) -> bool:
    scheme, found, _ = location.partition("://")
    return bool(found) and scheme in BUCKETS


def _only(location: str) -> Range:
    return location, location + "\0"


def _below(location: str) -> Range:
    """Return the range of what begins with ``location`` and a slash; "0" is the character behind the slash."""
    base = location.rstrip("/")
    return base + "/", base + "0"


def _fits(pattern: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Return whether a glob matches the names from a folder on down, or a folder above them, which is walked."""
    if not pattern:
        return True
    first, *rest = pattern
    if first is None:
        return any(_fits(rest, names[skip:]) for skip in range(len(names) + 1))
    return bool(names) and first.match(names[0]) is not None and _fits(rest, names[1:])


def _is_there(folder: Path) -> bool:
    try:
        folder.stat()
    except OSError:
        return False
    return True


def _holds_something(folder: Path) -> bool:
    """Whether a folder holds more than what is hidden: some systems leave such files behind (.DS_Store)."""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") for entry in entries)
    except OSError:
        return True
