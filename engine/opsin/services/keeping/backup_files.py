"""The two forms of a backup, a folder and a .tar file: how files go in, how they are read again, and their list."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import msgspec

from opsin.catalogue.durable import sync_folder
from opsin.errors import Damaged, LibraryError, UsageError
from opsin.services.base.layout import PRIVATE

MANIFEST = "backup.json"
"""The file that is written last: a backup without it is none."""

CATALOGUE = "catalogue.sqlite"
"""The file without which nothing else of a backup means anything."""

FORMAT = 1
_BLOCK = 1 << 20
_BLOB = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_NAMES = re.compile(rf"{re.escape(CATALOGUE)}|opsin\.toml|index\.opsin|vocabularies/[^/\0]{{1,200}}\.toml")


class Entry(msgspec.Struct, frozen=True):
    """One file of a backup. ``sha256`` is in hex digits."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. ``format`` is the version of this form."""

    format: int
    opsin: str
    made_at: str
    library: str
    files: tuple[Entry, ...]


class Store(Protocol):
    """Where the files of a backup go."""

    def put(self, path: Path, name: str) -> Entry: ...
    def close(self) -> None: ...


class FolderStore:
    """A backup as a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=PRIVATE)

    def put(self, path: Path, name: str) -> Entry:
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as stream:
            size, digest = copy_stream(stream, target)
        return Entry(name, size, digest)

    def close(self) -> None:
        sync_tree(self._root)


class TarStore:
    """A backup as one .tar file, without compression: pictures are compressed already."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "xb", opener=_private)  # noqa: SIM115 - Path.open takes no opener
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by close()

    def put(self, path: Path, name: str) -> Entry:
        with path.open("rb") as stream:
            size, digest = copy_stream(stream, None)
            stream.seek(0)
            info = tarfile.TarInfo(name)
            info.size, info.mtime = size, int(path.stat().st_mtime)
            self._tar.addfile(info, stream)
        return Entry(name, size, digest)

    def close(self) -> None:
        try:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Reader(Protocol):
    """A backup that is read. Only ordinary files are in it: links are not followed.

    ``size`` and ``read`` raise :class:`Missing` where there is no such file.
    """

    def manifest(self) -> Manifest: ...
    def size(self, name: str) -> int: ...
    def read(self, name: str) -> IO[bytes]: ...


class Missing(Exception):
    """A file is not in the backup, or is no ordinary file."""


class FolderReader:
    """A backup that is a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def manifest(self) -> Manifest:
        with self.read(MANIFEST) as stream:
            return _manifest(stream.read())

    def size(self, name: str) -> int:
        return self._ordinary(name).lstat().st_size

    def read(self, name: str) -> IO[bytes]:
        return self._ordinary(name).open("rb")

    def _ordinary(self, name: str) -> Path:
        path = self._root
        parts = Path(name).parts
        for place, part in enumerate(parts, 1):
            path = path / part
            wanted = stat.S_ISREG if place == len(parts) else stat.S_ISDIR
            try:
                found = wanted(path.lstat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                found = False
            if not found:
                raise Missing(name)
        return path


class TarReader:
    """A backup that is a .tar file."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.names: dict[str, tarfile.TarInfo] = {}
        try:
            self.names.update((member.name, member) for member in tar)
        except tarfile.TarError:  # it ends in the middle: then it lacks its list, and is no backup
            self.names.clear()

    def manifest(self) -> Manifest:
        with self.read(MANIFEST) as stream:
            return _manifest(stream.read())

    def size(self, name: str) -> int:
        return self._ordinary(name).size

    def read(self, name: str) -> IO[bytes]:
        stream = self._tar.extractfile(self._ordinary(name))
        if stream is None:
            raise Missing(name)
        return stream

    def _ordinary(self, name: str) -> tarfile.TarInfo:
        info = self.names.get(name)
        if info is None or not info.isreg():
            raise Missing(name)
        return info


@contextmanager
def open_backup(source: Path) -> Iterator[Reader]:
    """Open a backup for reading.

    :raises UsageError: where ``source`` is none.
    """
    if source.is_dir():
        manifest = source / MANIFEST
        if manifest.is_symlink() or not manifest.is_file():
            msg = f"{source} is no backup of a library: it lacks {MANIFEST}, which is written last"
            raise UsageError(msg)
        yield FolderReader(source)
        return
    try:
        tar = tarfile.open(source, "r:")  # noqa: SIM115 - entered below, where its own errors are no longer meant
    except (tarfile.ReadError, OSError) as error:
        msg = f"{source} is no backup of a library: {error}"
        raise UsageError(msg) from error
    with tar:
        reader = TarReader(tar)
        if MANIFEST not in reader.names:
            msg = f"{source} is no backup of a library: it lacks {MANIFEST}, which is written last"
            raise UsageError(msg)
        yield reader


def _manifest(data: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"the backup is damaged: {MANIFEST}: {error}"
        raise Damaged(msg) from error
    if manifest.format != FORMAT:
        msg = (
            f"the backup has form {manifest.format}, this Opsin reads {FORMAT}: restore it with Opsin {manifest.opsin}"
        )
        raise LibraryError(msg)
    return manifest


def check_names(manifest: Manifest) -> None:
    """Check that a backup lists the files of a library, each once, and no others.

    :raises Damaged: where it has no catalogue, names another file, or one twice, or a picture by another digest than its own.
    """
    names: set[str] = set()
    for entry in manifest.files:
        blob = _BLOB.fullmatch(entry.path)
        if (blob is None and _NAMES.fullmatch(entry.path) is None) or entry.path in names:
            msg = f"the backup is damaged: its list names a file outside a library's own, or twice: {entry.path!r}"
            raise Damaged(msg)
        if blob is not None and entry.sha256 != blob[2]:
            msg = f"the backup is damaged: its list gives {entry.path} the digest of other bytes"
            raise Damaged(msg)
        names.add(entry.path)
    if CATALOGUE not in names:
        msg = f"the backup is damaged: it lacks {CATALOGUE}, so there is no library in it"
        raise Damaged(msg)


def copy_stream(stream: IO[bytes], target: Path | None) -> tuple[int, str]:
    """Read a stream to its end, into ``target`` where that is given; return its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    out = None if target is None else target.open("xb")
    try:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if out is not None:
                out.write(block)
    finally:
        if out is not None:
            out.close()
    return size, digest.hexdigest()


def sync_tree(root: Path) -> None:
    """Make every file and folder below ``root`` durable."""
    for folder, _, names in os.walk(root):
        for name in names:
            with Path(folder, name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(folder))
