"""Keys: who may ask a service about this library, and for what. Only their hashes are stored, beside the catalogue."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

import msgspec
from filelock import FileLock, Timeout

from opsin.catalogue.durable import write_whole
from opsin.catalogue.ids import now
from opsin.errors import (
    AccessRefused,
    Damaged,
    LibraryBusy,
    LibraryError,
    UnknownName,
    Unwritable,
    UsageError,
    reason_of,
)
from opsin.services.base import checked
from opsin.services.base.layout import Layout

Scope = Literal["read", "write", "admin"]
"""What a key allows; each allows what stands before it, too."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
_LONGEST_NAME = 200
_MINUTE = 60.0
_PATIENCE = 10.0
"""Seconds."""
_OF_NOBODY = "0" * 64
"""What a secret is compared with where there is no key of its id."""
_Stamp = tuple[int, int, int]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it may be shown: ``id`` is the part of it that is no secret; ``last_used_at`` is right to the minute."""

    id: str
    name: str
    scope: Scope
    created_at: str
    last_used_at: str | None = None

    def require(self, scope: Scope) -> None:
        """Check that this key allows ``scope``.

        :raises AccessRefused: where it does not.
        """
        if SCOPES.index(self.scope) < SCOPES.index(scope):
            msg = f"the key {self.id} ({self.name}) allows {self.scope}, and this needs {scope}: use another key"
            raise AccessRefused(msg)


class NewKey(Key, frozen=True, kw_only=True):
    """A key that was just made. ``key`` is the secret, which is stored nowhere and cannot be shown again."""

    key: str


class _Stored(Key, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    sha256: str

    @property
    def shown(self) -> Key:
        return Key(id=self.id, name=self.name, scope=self.scope, created_at=self.created_at)


class Keys:
    """The keys of one library. What another process changes is seen at the next check."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._file = layout.keys
        self._admin = layout.admin_key
        self._used_file = layout.key_uses
        self._noted: dict[str, float] = {}
        self._known: tuple[_Stamp | None, dict[str, _Stored]] = (None, {})

    def list(self) -> tuple[Key, ...]:
        """Return the keys, oldest first."""
        used = self._uses()
        shown = (stored.shown for stored in self._read().values())
        return tuple(msgspec.structs.replace(key, last_used_at=used.get(key.id)) for key in shown)

    def note_use(self, number: str) -> None:
        """Note that a key was used. It is stored at most once a minute, and may be lost with the power.

        Where it cannot be stored, nothing is: who asks is to be answered nevertheless.
        """
        if time.monotonic() - self._noted.get(number, -_MINUTE) < _MINUTE:
            return
        self._noted[number] = time.monotonic()
        used = {**self._uses(), number: now()}
        kept = msgspec.json.encode({each: used[each] for each in self._read() if each in used})
        with suppress(LibraryError):
            _write_private(self._used_file, kept + b"\n", durable=False)

    def _uses(self) -> dict[str, str]:
        """Return when each key was last used; a file that is missing or damaged says nothing."""
        try:
            return msgspec.json.decode(self._used_file.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}

    def create(self, name: str, scope: Scope = "read") -> NewKey:
        """Make a key; the secret that is returned is stored nowhere.

        :raises UsageError: for a name that is empty, too long or not one line, or a scope that there is not.
        """
        checked.line(name, "the key's name", _LONGEST_NAME)
        if scope not in SCOPES:
            msg = f"the scope has to be one of {', '.join(SCOPES)}, not {scope!r}"
            raise UsageError(msg)
        with self._changing():
            known = self._read()
            number = secrets.token_hex(4)
            while number in known:
                number = secrets.token_hex(4)
            secret = f"opsin_{number}_{secrets.token_hex(20)}"
            stored = _Stored(id=number, name=name, scope=scope, created_at=now(), sha256=_hash(secret))
            self._write([*known.values(), stored])
        return NewKey(**msgspec.structs.asdict(stored.shown), key=secret)

    def revoke(self, number: str) -> Key:
        """Take a key away: from now on it opens nothing.

        :raises UnknownName: where there is no key of this id.
        """
        with self._changing():
            known = self._read()
            if number not in known:
                msg = f"there is no key {number!r}: `opsin keys list` shows their ids"
                raise UnknownName(msg)
            revoked = known.pop(number)
            self._write(known.values())
        return revoked.shown

    def make_admin(self) -> Path | None:
        """Make sure that there is some key: where there is none, make one for all and write it to a file.

        :returns: the file, which only its owner may read; None where keys were made otherwise, or it was taken elsewhere.
        """
        if not self._read():
            made = self.create("made with the library", "admin")
            _write_private(self._admin, made.key.encode() + b"\n")
        return self._admin if self._admin.exists() else None

    def find(self, secret: str) -> Key | None:
        """Return the key whose secret this is, None where it is none."""
        number = secret.split("_")[1] if secret.count("_") == 2 else ""
        stored = self._read().get(number)
        # A hash is made and compared in any case, so that the time taken does not say which ids there are.
        same = hmac.compare_digest(_hash(secret), stored.sha256 if stored else _OF_NOBODY)
        return stored.shown if same and stored is not None else None

    def shared_with(self, other: Keys) -> frozenset[str]:
        """Return the ids of the keys that open both libraries, as where one is a copy of the other."""
        theirs = other._read()
        mine = self._read().items()
        return frozenset(number for number, key in mine if number in theirs and theirs[number].sha256 == key.sha256)

    def _read(self) -> dict[str, _Stored]:
        """Return the keys by id; the file is read again only where it changed."""
        try:
            found = self._file.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._known[0] != stamp:
                stored = msgspec.json.decode(self._file.read_bytes(), type=list[_Stored])
                self._known = (stamp, {each.id: each for each in stored})
        except FileNotFoundError:
            self._known = (None, {})
        except msgspec.DecodeError as error:
            msg = f"{self._file} is no list of keys ({error}): take it away, and make new ones with `opsin keys create`"
            raise Damaged(msg) from error
        except OSError as error:
            msg = f"{self._file} cannot be read: {reason_of(error)}"
            raise LibraryError(msg) from error
        return dict(self._known[1])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep others from changing the keys meanwhile.

        :raises LibraryError: where that is not possible, or root would change those of another user.
        """
        lock = FileLock(self._file.with_suffix(".lock"))
        try:
            self._layout.require_own()
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            msg = f"another process has been changing {self._file} for {_PATIENCE:g} s: do it again"
            raise LibraryBusy(msg) from None
        except OSError as error:
            msg = f"{self._file} cannot be changed: {reason_of(error)}"
            raise Unwritable(msg) from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, stored: Iterable[_Stored]) -> None:
        _write_private(self._file, msgspec.json.format(msgspec.json.encode(list(stored))) + b"\n")


def _hash(secret: str) -> str:
    """Return the SHA-256 of a secret. It has 160 random bits, so that nothing slower is needed against guessing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _write_private(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file that only its owner may read; it is there whole, and durable if so wanted, or as it was.

    :raises Unwritable: where it cannot be written.
    """
    try:
        write_whole(path, data, mode=0o600, durable=durable)
    except OSError as error:
        msg = f"{path} cannot be written: {reason_of(error)}"
        raise Unwritable(msg) from error
