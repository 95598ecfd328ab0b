"""Finds the pictures that arguments name: files, folders, globs, lists on stdin, web addresses, buckets, data URIs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from opsin.errors import SourceUnavailable
from opsin.intake.formats import ENDINGS
from opsin.intake.source import DataSource, FileSource, MissingSource, Source
from opsin.intake.stores import BUCKETS, OpenStore, Stores

if TYPE_CHECKING:
    from opsin.intake.urls import Fetcher
    from opsin.settings import Settings

__all__ = ["Source", "expand", "locate"]

# A folder with this file is a library: its blobs and previews are no pictures to add.
LIBRARY_MARK = "opsin.toml"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_GLOB = re.compile(r"[*?\[]")


def expand(
    arguments: Sequence[str],
    *,
    settings: Settings,
    stdin: Iterable[str] = (),
    skipped: Counter[str] | None = None,
    open_store: OpenStore | None = None,
) -> Iterator[Source]:
    """Yield the sources that ``arguments`` name, in a fixed order: that of the arguments, names sorted within each.

    ``-`` stands for the list in ``stdin`` (an open text stream, or any pieces of text), one name a line, or separated
    by NUL. Within folders, buckets and globs, hidden files, names that do not end like a picture, libraries and
    folders seen before are left out and counted by reason in ``skipped``. What cannot be found or listed is yielded
    too: its ``read`` raises SourceUnavailable with the reason, so that one wrong name stops nothing.
    ``open_store`` opens a bucket's URL with other settings than the environment's (default: obstore's ``from_url``).
    """
    search = _Search(settings, Counter() if skipped is None else skipped, open_store)
    for argument in arguments:
        if argument == "-":
            for name in split_list(stdin):
                yield from search.find(name, globs=False)
        else:
            yield from search.find(argument, globs=True)


def locate(location: str, *, settings: Settings, open_store: OpenStore | None = None) -> Source:
    """Return the one source at a ``location`` that ``expand`` gave, to read it again; nothing is listed."""
    search = _Search(settings, Counter(), open_store)
    scheme = _scheme(location)
    if scheme in BUCKETS:
        return search.stores.source(location)
    if scheme in ("http", "https"):
        return search.url(location)
    path = _from_file_url(location) if scheme == "file" else Path(location)
    return MissingSource.of(location, str(path)) if isinstance(path, SourceUnavailable) else FileSource.of(path)


def split_list(pieces: Iterable[str]) -> Iterator[str]:
    """Split text into names: at NUL where the first piece holds one, else at the ends of lines. Empty names are left out."""
    separator, rest = "", ""
    for piece in pieces:
        separator = separator or ("\0" if "\0" in piece else "\n")
        *names, rest = (rest + piece).split(separator)
        yield from filter(None, (name.rstrip("\r") if separator == "\n" else name for name in names))
    if rest := rest.rstrip("\r\n" if separator == "\n" else ""):
        yield rest


class _Search:
    """One call of ``expand``."""

    def __init__(self, settings: Settings, skipped: Counter[str], open_store: OpenStore | None) -> None:
        self._settings = settings
        self._fetcher: Fetcher | None = None
        self.stores = Stores(open_store)
        self._skipped = skipped
        self._seen: set[tuple[int, int]] = set()

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
            yield from self.stores.find(argument, self._wanted)
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

    def _file_url(self, url: str) -> Iterator[Source]:
        path = _from_file_url(url)
        if isinstance(path, SourceUnavailable):
            yield MissingSource.of(url, str(path))
        else:
            yield from self._named(path)

    def _path(self, argument: str, *, globs: bool) -> Iterator[Source]:
        path = Path(argument)
        if globs and _GLOB.search(argument) and not os.path.lexists(path):
            yield from self._glob(argument)
        else:
            yield from self._named(path)

    def _named(self, path: Path) -> Iterator[Source]:
        """Yield a file that was named, whatever its ending, or what a folder holds."""
        path = _absolute(path)
        if path.is_dir():
            yield from self._walk(path)
        else:
            yield FileSource.of(path)

    def _glob(self, pattern: str) -> Iterator[Source]:
        """Match as pathlib does; ``**`` does not follow symbolic links. Hidden names match only a hidden pattern."""
        given = Path(pattern)
        root = Path(given.anchor)
        parts = given.relative_to(root).parts
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
                self._skipped["hidden"] += 1
            elif path.is_dir():
                yield from self._walk(path)
            elif any_ending or self._wanted(path.name):
                yield FileSource.of(path)

    def _walk(self, top: Path) -> Iterator[Source]:
        """Yield the pictures of a folder and of those within, each folder once even where links make it appear twice."""
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                status = folder.stat()
                if (status.st_dev, status.st_ino) in self._seen:
                    self._skipped["folder seen before"] += 1
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                yield MissingSource.of(str(folder), f"The folder {folder} cannot be listed: {error.strerror}.")
                continue
            if any(entry.name == LIBRARY_MARK for entry in entries):
                self._skipped["library"] += 1
                continue
            within: list[Path] = []
            for entry in entries:
                yield from self._entry(entry, within)
            folders.extend(reversed(within))

    def _entry(self, entry: os.DirEntry[str], within: list[Path]) -> Iterator[Source]:
        """Yield a file of a folder, or remember a folder in ``within``."""
        if entry.name.startswith("."):
            self._skipped["hidden"] += 1
        elif _is_folder(entry):
            within.append(Path(entry.path))
        elif self._wanted(entry.name):
            yield FileSource.of(Path(entry.path))

    def _wanted(self, name: str) -> bool:
        """Whether a file found in a folder or bucket is named like a picture; counts it where not."""
        if name.startswith("."):
            self._skipped["hidden"] += 1
        elif os.path.splitext(name)[1].lower() not in ENDINGS:  # noqa: PTH122 - names of buckets are no paths
            self._skipped["not named like a picture"] += 1
        else:
            return True
        return False


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


def _absolute(path: Path) -> Path:
    """Make absolute, without following links unless ".." asks for it."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _from_file_url(url: str) -> Path | SourceUnavailable:
    """Return the path of a file URL (RFC 8089)."""
    rest = url.split(":", 1)[1]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if host not in ("", "localhost"):
            return SourceUnavailable(f"{url} is on another machine, {host}.")
    raw = unquote_to_bytes(rest)
    if not raw.startswith(b"/") or b"\0" in raw:
        return SourceUnavailable(f"{url} has no absolute path.")
    return Path(os.fsdecode(raw))
