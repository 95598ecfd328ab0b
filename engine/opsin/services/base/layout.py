"""Where things are inside a library's folder, and the lock that says who owns it."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from opsin.errors import LibraryBusy, LibraryError, LibraryMissing, reason_of

PRIVATE = 0o700
"""The mode of folders that are made for a library or a backup: catalogues hold the secrets of webhooks, and uploads."""


class Layout:
    """The names inside a library's folder."""

    def __init__(self, root: Path) -> None:
        # Absolute from the start: the library stays where it is when the process changes its folder.
        root = root.absolute()
        self.root = root
        self.settings = root / "opsin.toml"
        self.catalogue = root / "catalogue.sqlite"
        self.blobs = root / "blobs"
        self.index = root / "index.opsin"
        self.vocabularies = root / "vocabularies"
        self.previews = root / "previews"
        self.staged = root / "staged"
        self.exports = root / "exports"
        self.keys = root / "keys.json"
        self.key_uses = root / "key-uses.json"
        self.admin_key = root / "admin.key"

    def require(self) -> None:
        """Check that there is a library.

        :raises LibraryMissing: where there is none, naming the command that makes one.
        """
        if not self.catalogue.is_file():
            if self.blobs.is_dir() and self.vocabularies.is_dir():
                msg = f"{self.root} was a library and has no {self.catalogue.name} any more: restore it from a backup"
                raise LibraryMissing(msg)
            msg = f"there is no library at {self.root}: make one with `opsin init --library {self.root}`"
            raise LibraryMissing(msg)

    def require_own(self) -> None:
        """Check that root does not write to a library of another user, who could then neither change nor, of keys, read it.

        :raises LibraryError: where it would, naming the user.
        """
        user = self.root.stat().st_uid
        if user and os.geteuid() == 0:
            try:
                name = pwd.getpwuid(user).pw_name
            except KeyError:
                name = f"#{user}"
            msg = (
                f"{self.root} belongs to the user {name}, for whom what root writes there would be out of reach: do this "
                f"as that user (e.g. `sudo -u '{name}' opsin ...`)"
            )
            raise LibraryError(msg)


class Owner(NamedTuple):
    """The process that owns a library, or ended without giving it back; ``url`` is where it serves it, if it does."""

    process: str
    url: str | None


def owner_of(root: Path) -> Owner | None:
    """Return who wrote down that it owns the library at ``root``."""
    try:
        lines = (root / "owner").read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return Owner(lines[0], lines[1] if len(lines) > 1 else None) if lines else None


class Ownership:
    """Held by the one process that may write to a library; the lock ends with the process."""

    def __init__(self, layout: Layout) -> None:
        """Take the library.

        :raises LibraryBusy: naming the process that has it.
        :raises LibraryError: where the folder may not be written, or should not be by this user.
        """
        self._who = layout.root / "owner"
        self._lock = FileLock(layout.root / "owner.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LibraryBusy(_busy(layout.root, self._read())) from None
        except OSError as error:
            msg = f"cannot write to {layout.root}: {reason_of(error)}"
            raise LibraryError(msg) from error
        try:
            layout.require_own()
        except LibraryError:
            self._lock.release()
            raise
        # On a full disk the owner stays without its name: what needs no room can still be done.
        with contextlib.suppress(OSError):
            self._who.write_text(str(os.getpid()), "utf-8")

    def announce(self, url: str) -> None:
        """Write down where this process can be asked: beside its number."""
        with contextlib.suppress(OSError):
            self._who.write_text(f"{os.getpid()}\n{url}", "utf-8")

    def _read(self) -> str:
        owner = owner_of(self._who.parent)
        return "unknown" if owner is None else owner.process

    def release(self) -> None:
        self._who.unlink(missing_ok=True)
        self._lock.release()


def _busy(root: Path, process: str) -> str:
    """Return what is said where a process, by its number, has the library at ``root`` open."""
    if process == str(os.getpid()):
        if _is_open_here(root / "owner.lock"):
            return (
                f"this process has {root} open already: use what it opened, close that first, or open it with "
                "readonly=True"
            )
        process += " of another container"
    return (
        f"{root} is in use by process {process}: wait for it, or stop it. Several can write at once where `opsin serve` "
        "has it open: their commands are sent to it"
    )


def _is_open_here(lock: Path) -> bool:
    """Return whether this process itself has ``lock`` open; its number does not say it, as each container counts anew."""
    try:
        opened = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return True
    for each in opened:
        with contextlib.suppress(OSError):
            if each.samefile(lock):
                return True
    return False
