"""Finds the pictures that arguments name: files, folders, globs, lists on stdin, web addresses, buckets, data URIs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsin.errors import SourceUnavailable
from opsin.intake.formats import ENDINGS, SIDECARS
from opsin.intake.places import BucketScope, FolderScope, Scope
from opsin.intake.source import DataSource, FileSource, LeftOut, MissingSource, Source, path_of, printable
from opsin.intake.stores import BUCKETS, OpenStore, Stores

if TYPE_CHECKING:
    from opsin.intake.mounts import Mounts
    from opsin.intake.urls import Fetcher
    from opsin.settings import Settings

__all__ = ["LeftOut", "Source", "expand", "locate"]

# A folder with one of these files is a library: its copies and previews are no pictures to add.
LIBRARY_MARKS = frozenset({"opsin.toml", "catalogue.sqlite"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_GLOB = re.compile(r"[*?\[]")
_SIDECAR = "named like a sidecar"


def expand(
    arguments: Sequence[str],
    *,
    settings: Settings,
    stdin: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
    scopes: list[Scope] | None = None,
    mounts: Mounts | None = None,
    open_store: OpenStore | None = None,
) -> Iterator[Source]:
    """Yield the sources that ``arguments`` name, in a fixed order: that of the arguments, names sorted within each.

    ``-`` stands for the list in ``stdin`` (an open text stream, or any pieces of text), one name a line, or separated
    by NUL. Within folders, buckets and globs, hidden files, names that do not end like a picture, libraries and
    folders seen before are left out, sidecars everywhere, and ``left_out`` is called with each. What cannot be found or listed is yielded
    too: its ``read`` raises SourceUnavailable with the reason, so that one wrong name stops nothing.
    What each argument covers is appended to ``scopes`` before its first source is yielded; a file that is there covers
    nothing else. ``mounts`` looks at each folder that a file was found in.
    ``open_store`` opens a bucket's URL with other settings than the environment's (default: obstore's ``from_url``).
    """
    search = _Search(settings, left_out, scopes, mounts, open_store)
    for argument in arguments:
        if argument == "-":
            for name in split_list(stdin):
                yield from search.find(name, globs=False)
        else:
            yield from search.find(argument, globs=True)


def locate(location: str, *, settings: Settings, open_store: OpenStore | None = None) -> Source:
    """Return the one source at a ``location`` that ``expand`` gave, to read it again; nothing is listed."""
    search = _Search(settings, open_store=open_store)
    scheme = _scheme(location)
    if scheme in BUCKETS:
        return search.stores.source(location)
    if scheme in ("http", "https"):
        return search.url(location)
    try:
        return FileSource.of(path_of(location))
    except SourceUnavailable as error:
        return MissingSource.of(location, str(error))


def split_list(pieces: Iterable[str]) -> Iterator[str]:
    """Split text into names: at NUL where the first piece with an end holds one, else at the ends of lines.

    Names are yielded as soon as they are whole; empty ones are left out.
    """
    separator, rest = "", ""
    for piece in pieces:
        if not separator and ("\0" in piece or "\n" in piece):
            separator = "\0" if "\0" in piece else "\n"
        if not separator:
            rest += piece
            continue
        *names, rest = (rest + piece).split(separator)
        yield from filter(None, (name.rstrip("\r") if separator == "\n" else name for name in names))
    if rest := rest if separator == "\0" else rest.rstrip("\r\n"):
        yield rest


class _Search:
    """One call of ``expand``."""

    def __init__(
        self,
        settings: Settings,
        left_out: Callable[[LeftOut], None] | None = None,
        scopes: list[Scope] | None = None,
        mounts: Mounts | None = None,
        open_store: OpenStore | None = None,
    ) -> None:
        self._settings = settings
        self._fetcher: Fetcher | None = None
        self.stores = Stores(open_store)
        self._left_out = left_out
        self._scopes: list[Scope] = [] if scopes is None else scopes
        self._mounts = mounts
        self._seen: set[tuple[int, int]] = set()
        self._within_library: dict[Path, bool] = {}

    def find(self, argument: str, *, globs: bool) -> Iterator[Source]:
        """Yield what one argument names."""
        scheme = _scheme(argument)
        if not argument:
            yield MissingSource.of("", "The name is empty.")
        elif "\0" in argument:
            yield MissingSource.of(argument, "The name holds a NUL character.")
        elif scheme == "data":
            yield DataSource.of(argument)
        elif scheme in ("http", "https"):
            yield self.url(argument)
        elif scheme in BUCKETS:
            yield from self._bucket(argument)
        elif scheme == "file":
            yield from self._file_url(argument)
        elif scheme and "://" in argument and not os.path.lexists(argument):
            known = ", ".join(["http", "https", "file", "data", *BUCKETS])
            yield MissingSource.of(argument, f"{scheme}:// addresses cannot be read; known are {known}.")
        else:
            yield from self._path(argument, globs=globs)

    def url(self, url: str) -> Source:
        """Return the source behind a web address; the HTTP library is loaded only now."""
        from opsin.intake.urls import Fetcher, UrlSource

        if self._fetcher is None:
            self._fetcher = Fetcher(self._settings.urls)
        return UrlSource.of(url, self._fetcher)

    def _bucket(self, url: str) -> Iterator[Source]:
        found, scope = self.stores.find(url, self._wanted), BucketScope.of(url)
        first = next(found, None)
        if first is None or first.kind == "missing" or first.location != scope.location:
            self._scopes.append(scope)
        if first is not None:
            yield first
            yield from found

    def _file_url(self, url: str) -> Iterator[Source]:
        try:
            path = path_of(url)
        except SourceUnavailable as error:
            yield MissingSource.of(url, str(error))
        else:
            yield from self._named(path)

    def _path(self, argument: str, *, globs: bool) -> Iterator[Source]:
        path = Path(argument)
        if globs and _GLOB.search(argument) and not os.path.lexists(path):
            yield from self._glob(argument)
        else:
            yield from self._named(path)

    def _named(self, path: Path) -> Iterator[Source]:
        """Yield a file that was named, whatever its ending unless it is that of a sidecar, or what a folder holds."""
        path = _absolute(path)
        is_folder, is_there = path.is_dir(), os.path.lexists(path)
        if is_folder or not is_there:
            self._scopes.append(FolderScope.of(path))
        if is_folder:
            yield from self._walk(path)
        elif is_there and _ending(path.name) in SIDECARS:
            self._leave_out(path, _SIDECAR)
        else:
            self._look_at(path.parent)
            yield FileSource.of(path)

    def _glob(self, pattern: str) -> Iterator[Source]:
        """Match as pathlib does; ``**`` does not follow symbolic links. Hidden names match only a hidden pattern."""
        given = Path(pattern)
        root = Path(given.anchor)
        parts = given.relative_to(root).parts
        self._scopes.append(_scope(root, parts))
        try:
            found = sorted(root.glob(str(Path(*parts))))
        except (ValueError, NotImplementedError, OSError, RecursionError) as error:
            yield MissingSource.of(pattern, f"The pattern {pattern} cannot be used: {error}.")
            return
        if not found:
            yield MissingSource.of(pattern, f"Nothing matches {pattern}.")
        any_ending = not _GLOB.search(Path(pattern).suffix or "*")
        hidden = any(part.startswith(".") and part != ".." for part in parts)
        for path in map(_absolute, found):
            names = path.relative_to(_absolute(root)).parts[-len(parts) :]
            if not hidden and any(name.startswith(".") for name in names):
                self._leave_out(path, "hidden")
            elif path.is_dir():
                yield from self._walk(path)
            elif self._library_above(path.parent):
                self._leave_out(path, "library")
            elif (any_ending and _ending(path.name) not in SIDECARS) or self._wanted(path.name, path):
                self._look_at(path.parent)
                yield FileSource.of(path)

    def _walk(self, top: Path) -> Iterator[Source]:
        """Yield the pictures of a folder and of those within, each folder once even where links make it appear twice."""
        if self._library_above(top):
            self._leave_out(top, "library")
            return
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                status = folder.stat()
                if (status.st_dev, status.st_ino) in self._seen:
                    self._leave_out(folder, "folder seen before")
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                self._look_at(folder)
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                yield MissingSource.of(str(folder), f"The folder {folder} cannot be listed: {error.strerror}.")
                continue
            if any(entry.name in LIBRARY_MARKS for entry in entries):
                self._leave_out(folder, "library")
                continue
            within: list[Path] = []
            for entry in entries:
                yield from self._entry(entry, within)
            folders.extend(reversed(within))

    def _entry(self, entry: os.DirEntry[str], within: list[Path]) -> Iterator[Source]:
        """Yield a file of a folder, or remember a folder in ``within``."""
        if not entry.name.startswith(".") and _is_folder(entry):
            within.append(Path(entry.path))
        elif self._wanted(entry.name, entry.path):
            yield FileSource.of(Path(entry.path))

    def _wanted(self, name: str, place: str | Path) -> bool:
        """Whether what was found in a folder or bucket is named like a picture; says so where not."""
        if name.startswith("."):
            self._leave_out(place, "hidden")
        elif _ending(name) in SIDECARS:
            self._leave_out(place, _SIDECAR)
        elif _ending(name) not in ENDINGS:
            self._leave_out(place, "not named like a picture")
        else:
            return True
        return False

    def _leave_out(self, place: str | Path, reason: str) -> None:
        if self._left_out is not None:
            self._left_out(LeftOut(printable(str(place)), reason))

    def _look_at(self, folder: Path) -> None:
        if self._mounts is not None:
            self._mounts.look(folder)

    def _library_above(self, folder: Path) -> bool:
        """Whether ``folder`` lies within a library; each folder is looked at once."""
        if folder not in self._within_library:
            above = folder.parent
            self._within_library[folder] = _is_library(folder) or (above != folder and self._library_above(above))
        return self._within_library[folder]


def _is_library(folder: Path) -> bool:
    return any(os.path.exists(folder / mark) for mark in LIBRARY_MARKS)  # noqa: PTH110 - Path.exists raises without permission


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - names of buckets are no paths


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _scheme(argument: str) -> str:
    """Return the URL scheme in lower case; empty for a path."""
    found = _SCHEME.match(argument)
    if not found:
        return ""
    scheme = found[1].lower()
    return scheme if found[2] or scheme in ("data", "file") else ""


def _scope(root: Path, parts: Sequence[str]) -> Scope:
    """Return what a glob covers: below the folder whose name is written out."""
    fixed = next(place for place, part in enumerate(parts) if _GLOB.search(part))
    return FolderScope.of(_absolute(root.joinpath(*parts[:fixed])), parts[fixed:])


def _absolute(path: Path) -> Path:
    """Make absolute, without following links unless ".." asks for it."""
    return path.resolve() if ".." in path.parts else path.absolute()
