"""What a call of `add` covered and did not find again: it is marked as vanished, unless a whole folder is empty or missing.

A disk that is not mounted looks like a folder that somebody emptied. So that nothing is held for vanished which is only
out of reach, such a folder is told of instead, and its pictures are marked only where a person says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pyroaring import BitMap

from opsin.catalogue import assets, places
from opsin.catalogue.places import Referenced
from opsin.errors import SourceUnavailable
from opsin.intake.mounts import Mounts
from opsin.intake.places import Places, Scope
from opsin.intake.source import Source
from opsin.services.assets.added import Added
from opsin.services.base.problem import Problem, problem
from opsin.services.base.workspace import Workspace
from opsin.services.finding.views import view_assets
from opsin.services.telling.events import Happened, tell

_ABREAST = 32
"""Places that are looked at at once: buckets and network folders take their time to answer."""


class Sweep:
    """One call's memory: what its arguments cover, and which of the assets there were found where they were."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._found = BitMap()
        self._replaced: set[str] = set()
        self.scopes: list[Scope] = []
        self.mounts = Mounts()
        with workspace.catalogue.read() as connection:
            self._newest = places.newest(connection)
            self._places = Places(mounts=places.mounts(connection))

    def note(self, rows: Iterable[int]) -> None:
        """Remember assets, by row, as found where they are held to be."""
        self._found.update(rows)

    def note_replaced(self, asset: str) -> None:
        """Remember an asset, by id, whose place another picture took."""
        self._replaced.add(asset)

    def without_the_missing(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Leave out the arguments that lead nowhere now but did before: ``finish`` tells what became of these."""
        for source in sources:
            if source.kind not in {"file", "missing"} or not self._was_there(source):
                yield source

    def _was_there(self, source: Source) -> bool:
        scope = self.scopes[-1] if self.scopes else None
        if scope is None or scope.location != source.location.rstrip("/") or not scope.is_missing(self._places):
            return False
        with self._workspace.catalogue.read() as connection:
            return any(next(places.between(connection, *part, 1), None) for part in scope.ranges)

    def finish(self, *, confirmed: bool, views: bool) -> Iterator[Added]:
        """Mark what is gone and yield each; where ``confirmed``, also what was in folders that are empty or missing."""
        note_mounts(self._workspace, self.mounts, self._places)
        with self._workspace.catalogue.read() as connection:
            replaced = places.vanished(connection, self._replaced)
        yield from self._told(replaced, views=views)
        hollow: Counter[str] = Counter()
        with ThreadPoolExecutor(_ABREAST, thread_name_prefix="opsin-look") as pool:
            for scope in self.scopes:
                inside: Counter[str] = Counter()
                for page in self._not_found(scope):
                    gone = []
                    looks = pool.map(lambda each, scope=scope: self._fate(scope, each.location), page)
                    for each, fate in zip(page, looks, strict=True):
                        if fate == "" or (fate is not None and confirmed):
                            gone.append(each)
                        elif fate is not None:
                            inside[fate] += 1
                    yield from self._mark(gone, views=views)
                # Two arguments may cover the same folder.
                hollow |= inside
        for folder, count in sorted(hollow.items()):
            yield Added(source=folder, location=folder, status="unreachable", problem=unreachable(folder, count))

    def _not_found(self, scope: Scope) -> Iterator[list[Referenced]]:
        for low, high in scope.ranges:
            with self._workspace.catalogue.read() as connection:
                for page in places.between(connection, low, high):
                    yield [
                        each
                        for each in page
                        if each.row <= self._newest and each.row not in self._found and scope.covers(each.location)
                    ]

    def _fate(self, scope: Scope, location: str) -> str | None:
        """Return None where a picture may still be there, the folder where that is empty or missing as a whole, else ""."""
        try:
            if self._places.look(location) is not None:
                return None
        except SourceUnavailable:
            return None
        return scope.hollow(location, self._places) or ""

    def _mark(self, gone: Sequence[Referenced], *, views: bool) -> Iterator[Added]:
        if gone:
            with self._workspace.catalogue.write() as connection:
                rows = places.mark_vanished(connection, gone)
                tell(self._workspace, connection, [Happened("asset.vanished", row) for row in rows])
            yield from self._told(rows, views=views)

    def _told(self, rows: Sequence[int], *, views: bool) -> Iterator[Added]:
        with self._workspace.catalogue.read() as connection:
            found = list(assets.by_rows(connection, rows).values())
        shown = view_assets(self._workspace, found) if views else [None] * len(found)
        for row, view in zip(found, shown, strict=True):
            yield Added(source=row.name, location=row.location, status="vanished", id=row.id, asset=view)


def note_mounts(workspace: Workspace, seen: Mounts, known: Places) -> None:
    """Remember in which folders another file system begins, for now and for later."""
    if seen.among(known.mounts) != known.mounts:
        with workspace.catalogue.write() as connection:
            known.mounts = seen.among(places.mounts(connection))
            places.set_mounts(connection, known.mounts)


def unreachable(folder: str, count: int) -> Problem:
    """Return what is said of a folder that is empty or missing as a whole, with ``count`` assets in it."""
    pictures, they, are = ("a picture", "it", "is") if count == 1 else (f"{count} pictures", "they", "are")
    return problem(
        SourceUnavailable(
            f"{folder} is empty or missing, but the library knows {pictures} in it: left as {they} {are}. If a disk is "
            f"not mounted, mount it and add the folder again; if {they} {are} really gone, add it with --mark-vanished."
        )
    )
