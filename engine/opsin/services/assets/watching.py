"""Watching folders: what appears or changes is added once it is written completely, what vanishes is marked.

It looks at the folders again and again instead of asking the kernel for events: these do not come from network mounts
and from some containers (https://docs.rs/notify, "Known Problems"), and are lost when too many come at once. A look at
100,000 files takes about as long as a few pictures take to be analysed, and slow looks are spaced out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from opsin.catalogue import assets, places
from opsin.catalogue.places import Referenced
from opsin.errors import SourceUnavailable, UsageError
from opsin.intake.mounts import Mounts
from opsin.intake.places import FolderScope, Places
from opsin.intake.source import path_of
from opsin.services.assets.add import add
from opsin.services.assets.added import Added, AddOptions
from opsin.services.assets.vanished import note_mounts, unreachable
from opsin.services.base import checked
from opsin.services.base.problem import Problem
from opsin.services.base.workspace import Workspace
from opsin.services.telling.events import Happened, tell

if TYPE_CHECKING:
    from opsin.intake.sources import Source

_SPACING = 5
"""Between two looks lie at least so many times what a look takes."""

_LONGEST_WAIT = 86_400.0
"""Seconds."""

Event = Literal[
    "added", "known", "copied", "moved", "changed", "returned", "refused", "failed", "vanished", "unreachable"
]
_Look = tuple[int | None, int | None]


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened.

    ``unreachable``: a watched folder cannot be listed, or one in it is empty as a whole, as where a disk is not mounted;
    nothing in it is held for vanished. ``failed_reports`` as for :class:`opsin.library.Added`.
    """

    event: Event
    location: str
    id: str | None = None
    tags: Mapping[str, float] = {}
    failed_reports: Mapping[str, str] = {}
    problem: Problem | None = None


def watch(
    workspace: Workspace,
    folders: Sequence[Path],
    options: AddOptions,
    *,
    interval: float = 2.0,
    settle: float = 2.0,
    stop: threading.Event | None = None,
) -> Generator[Watched, None, None]:
    """Yield what happens in ``folders`` until ``stop`` is set; at first, what happened since they were last looked at.

    A file counts as written when its size and time have stayed as they are for ``settle`` seconds; ``interval`` is the
    time between two looks.

    :raises UsageError: where a folder is none, or holds the library itself.
    """
    checked.number(interval, "interval", 0, _LONGEST_WAIT)
    checked.number(settle, "settle", 0, _LONGEST_WAIT)
    places = [_checked(workspace, folder) for folder in folders]
    return _follow(_Watcher(workspace, places, options, settle), interval, stop or threading.Event())


def _follow(watcher: _Watcher, interval: float, stop: threading.Event) -> Generator[Watched, None, None]:
    while not stop.is_set():
        yield from watcher.look(stop)
        stop.wait(max(interval, _SPACING * watcher.took))


def _checked(workspace: Workspace, folder: Path) -> Path:
    place = folder.absolute()
    if not place.is_dir():
        msg = f"{folder} is no folder: name one that is there"
        raise UsageError(msg)
    if place == workspace.layout.root.absolute():
        msg = f"{folder} is the library itself: name the folder of the pictures"
        raise UsageError(msg)
    return place


class _Watcher:
    """What was seen of the folders so far."""

    def __init__(self, workspace: Workspace, folders: Sequence[Path], options: AddOptions, settle: float) -> None:
        self._workspace = workspace
        self._folders = folders
        self._options = options
        self._settle = settle
        self._done: dict[str, _Look] = {}
        self._waiting: dict[str, tuple[_Look, float]] = {}
        self._gone: dict[str, float] = {}
        self._unreachable: set[str] = set()
        with workspace.catalogue.read() as connection:
            self._look_at = Places(mounts=places.mounts(connection))
        self._scopes = [FolderScope.of(place) for place in folders]
        self._present = {location for place in folders for location in _known_below(workspace, place)}
        self.took = 0.0
        """How long the last look at the folders took, in seconds, without what followed from it."""

    def look(self, stop: threading.Event) -> Iterator[Watched]:
        """Look once, add what is ready, and mark what is gone."""
        lost = [place for place in self._folders if not _reachable(place)]
        for place in lost:
            if str(place) not in self._unreachable:
                yield Watched(event="unreachable", location=str(place))
        begun = time.monotonic()
        sources = self._sources([place for place in self._folders if place not in lost])
        self._waiting = {location: seen for location, seen in self._waiting.items() if location in sources}
        ready = [source for source in sources.values() if self._is_ready(source)]
        self.took = time.monotonic() - begun
        yield from self._add(ready, stop)
        if not stop.is_set():
            yield from self._mark(sources, lost)

    def _sources(self, folders: Sequence[Path]) -> dict[str, Source]:
        from opsin.intake.sources import expand

        mounts = Mounts()
        found = expand([str(place) for place in folders], settings=self._workspace.settings, mounts=mounts)
        sources = {source.location: source for source in found if source.kind == "file"}
        note_mounts(self._workspace, mounts, self._look_at)
        return sources

    def _is_ready(self, source: Source) -> bool:
        """Whether a file is new or changed since it was added, and has stayed as it is for long enough."""
        look, at = (source.size, source.mtime_ns), time.monotonic()
        if self._done.get(source.location) == look:
            self._waiting.pop(source.location, None)
            return False
        before, since = self._waiting.get(source.location, (None, at))
        if before != look:
            # A file that has not been touched for long enough by its own time need not be waited for.
            age = time.time() - (source.mtime_ns or 0) / 1e9
            since = at - self._settle if before is None and age > self._settle else at
            self._waiting[source.location] = (look, since)
        if at - since < self._settle:
            return False
        del self._waiting[source.location]
        return True

    def _add(self, ready: Sequence[Source], stop: threading.Event) -> Iterator[Watched]:
        if not ready:
            return
        replaced: list[tuple[str, str]] = []
        for source, added in zip(ready, add(self._workspace, ready, self._options), strict=True):
            self._done[source.location] = (source.size, source.mtime_ns)
            gone = added.problem is not None and not Path(source.location).exists()
            if added.status != "unchanged" and not gone:
                yield _told(source, added)
            if added.replaced is not None:
                replaced.append((added.replaced, source.location))
            if stop.is_set():
                return
        with self._workspace.catalogue.read() as connection:
            rows = places.vanished(connection, [asset for asset, _ in replaced])
            vanished = {row.id for row in assets.by_rows(connection, rows).values()}
        for asset, location in replaced:
            if asset in vanished:
                yield Watched(event="vanished", location=location, id=asset)

    def _mark(self, sources: Mapping[str, Source], lost: Sequence[Path]) -> Iterator[Watched]:
        """Mark the assets whose files were there and have been gone for long enough to appear under another name."""
        self._present |= sources.keys()
        at = time.monotonic()
        gone = {
            location: self._gone.get(location, at)
            for location in self._present - sources.keys()
            if not any(path_of(location).is_relative_to(place) for place in lost) and self._is_gone(location)
        }
        ripe = sorted(location for location, since in gone.items() if at - since >= self._settle)
        self._gone = {location: since for location, since in gone.items() if location not in ripe}
        hollow: dict[str, int] = {}
        for location in ripe:
            with self._workspace.catalogue.read() as connection:
                row = assets.at_location(connection, location)
            if row is None or row.vanished_at is not None or row.copied:
                self._forget(location)
            elif folder := self._hollow(location):
                hollow[folder] = hollow.get(folder, 0) + 1
            else:
                with self._workspace.catalogue.write() as connection:
                    marked = places.mark_vanished(connection, [Referenced(row.row, location)])
                    tell(self._workspace, connection, [Happened("asset.vanished", each) for each in marked])
                self._forget(location)
                yield Watched(event="vanished", location=location, id=row.id)
        for folder in sorted(hollow.keys() - self._unreachable):
            yield Watched(event="unreachable", location=folder, problem=unreachable(folder, hollow[folder]))
        # What is on its way to be ripe again was told before.
        still = self._unreachable & {folder for location in self._gone if (folder := self._hollow(location))}
        self._unreachable = still | hollow.keys() | {str(place) for place in lost}

    def _forget(self, location: str) -> None:
        self._done.pop(location, None)
        self._present.discard(location)

    def _is_gone(self, location: str) -> bool:
        try:
            return self._look_at.look(location) is None
        except SourceUnavailable:
            return False

    def _hollow(self, location: str) -> str | None:
        """Return the folder that is empty as a whole where a picture should be, if it is one."""
        for scope in self._scopes:
            if any(low <= location < high for low, high in scope.ranges):
                return scope.hollow(location, self._look_at)
        return None


def _told(source: Source, added: Added) -> Watched:
    tags = {tag.label: round(tag.score, 4) for tag in added.asset.tags} if added.asset is not None else {}
    event: Event = "added" if added.status == "unchanged" else added.status
    return Watched(
        event=event,
        location=source.location,
        id=added.id,
        tags=tags,
        failed_reports=added.failed_reports,
        problem=added.problem,
    )


def _reachable(place: Path) -> bool:
    try:
        next(place.iterdir(), None)
    except OSError:
        return False
    return True


def _known_below(workspace: Workspace, place: Path) -> Iterator[str]:
    """Yield the locations of the assets below a folder that are held to be there."""
    with workspace.catalogue.read() as connection:
        for low, high in FolderScope.of(place).ranges:
            for page in places.between(connection, low, high):
                yield from (each.location for each in page)
