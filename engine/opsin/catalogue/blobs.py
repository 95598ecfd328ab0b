"""The bytes of copied pictures: one file a content, durable before anybody learns of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from opsin.catalogue.durable import sync_folder, write_whole
from opsin.errors import Damaged, LibraryError, Unwritable, reason_of


class Blobs:
    """A folder of files named by the SHA-256 of their bytes, spread over 256 subfolders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._synced: set[Path] = set()

    def path(self, sha256: bytes) -> Path:
        """Return where the content is or would be."""
        name = sha256.hex()
        return self.folder / name[:2] / name

    def put(self, sha256: bytes, data: bytes) -> bool:
        """Store the bytes. When it returns, file and folders are on the disk.

        :returns: whether the file was written: it was missing, or held other bytes.
        :raises Unwritable: where the disk is full or not writable; nothing is left behind.
        """
        target = self.path(sha256)
        try:
            self._make_folder(target.parent)
            if self.touch(sha256) and _holds(target, data):
                sync_folder(target.parent)  # whoever put it may have died before this
                return False
            write_whole(target, data)
        except OSError as error:
            msg = f"cannot store a copy in {self.folder}: {reason_of(error)}"
            raise Unwritable(msg) from error
        return True

    def is_whole(self, sha256: bytes, size: int) -> bool:
        """Return whether there is a file of the content with so many bytes; what they are is not looked at."""
        return _size(self.path(sha256)) == size

    def is_sound(self, sha256: bytes) -> bool:
        """Return whether the file of the content is there and holds its bytes."""
        try:
            with self.path(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == sha256
        except OSError:
            return False

    def _make_folder(self, folder: Path) -> None:
        """Make a subfolder and its name durable; once in each process, as whoever made it may have died before that."""
        if folder in self._synced:
            return
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self.folder)
        if not self._synced:
            sync_folder(self.folder.parent)
        self._synced.add(folder)

    def keep(self, sha256: bytes, data: bytes) -> None:
        """Store the bytes where they are not here any more, though they were put.

        :raises LibraryError: as :meth:`put`.
        """
        if not self.path(sha256).exists():
            self.put(sha256, data)

    def touch(self, sha256: bytes) -> bool:
        """Note that the content is of use just now, so that no sweep takes it away soon; return whether it is here."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def remove(self, sha256: bytes) -> None:
        """Take the content away, where it is here.

        :raises LibraryError: where that is not possible.
        """
        try:
            self.path(sha256).unlink(missing_ok=True)
        except OSError as error:
            msg = f"cannot take {self.path(sha256)} away: {reason_of(error)}"
            raise LibraryError(msg) from error

    def get(self, sha256: bytes) -> bytes:
        """Return the bytes of a content.

        :raises Damaged: where the file is missing or unreadable.
        """
        try:
            return self.path(sha256).read_bytes()
        except OSError as error:
            msg = f"the copy {self.path(sha256)} cannot be read: {reason_of(error)}"
            raise Damaged(msg) from error


def _size(path: Path) -> int | None:
    """Return the size of a file, None where there is none that can be looked at."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _holds(path: Path, data: bytes) -> bool:
    """Return whether a file is there and holds just these bytes."""
    try:
        return _size(path) == len(data) and path.read_bytes() == data
    except OSError:
        return False
