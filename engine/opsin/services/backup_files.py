"""The two forms of a backup, a folder and a .tar file: how files go in, how they are read again, and their list."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import msgspec

from opsin.catalogue.blobs import sync_folder
from opsin.errors import Damaged, LibraryError, UsageError

MANIFEST = "backup.json"
"""The file that is written last: a backup without it is none."""

FORMAT = 1
_BLOCK = 1 << 20


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
        root.mkdir()

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
        self._file = path.open("xb")
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


class Reader(Protocol):
    """A backup that is read."""

    def manifest(self) -> Manifest: ...
    def read(self, name: str) -> IO[bytes]: ...


class FolderReader:
    """A backup that is a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def manifest(self) -> Manifest:
        return _manifest((self._root / MANIFEST).read_bytes())

    def read(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


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

    def read(self, name: str) -> IO[bytes]:
        stream = self._tar.extractfile(self.names[name])
        if stream is None:
            raise KeyError(name)
        return stream


@contextmanager
def open_backup(source: Path) -> Iterator[Reader]:
    """Open a backup for reading.

    :raises UsageError: where ``source`` is none.
    """
    if source.is_dir() and (source / MANIFEST).is_file():
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
    except msgspec.DecodeError as error:
        msg = f"the backup is damaged: {MANIFEST}: {error}"
        raise Damaged(msg) from error
    if manifest.format != FORMAT:
        msg = (
            f"the backup has form {manifest.format}, this Opsin reads {FORMAT}: restore it with Opsin {manifest.opsin}"
        )
        raise LibraryError(msg)
    return manifest


def inside(name: str) -> Path:
    """Return the name of a file as a path that stays below the folder it is joined to.

    :raises Damaged: where it would not.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        msg = f"the backup is damaged: it names a file outside itself, {name!r}"
        raise Damaged(msg)
    return path


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
