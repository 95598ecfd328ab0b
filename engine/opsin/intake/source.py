"""One picture that was found but not yet read: a file, a data URI, or a name that leads nowhere."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import stat
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from opsin.errors import LimitExceeded, SourceUnavailable

Kind = Literal["file", "url", "object", "data", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(ABC):
    """Where a picture comes from.

    ``location`` is canonical: an absolute path, a URL, or ``data:`` with the content's hash; a path that is not UTF-8
    is written as a file URL. ``name`` is for people. ``size`` (bytes), ``mtime_ns`` and ``etag`` are known before
    reading where the place says them. Only "file" and "object" can be read again later (``locate``).
    """

    kind: Kind
    location: str
    name: str
    size: int | None = None
    mtime_ns: int | None = None
    etag: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for people: its location, "" for what came as bytes."""
        return "" if self.kind == "data" else self.location

    @abstractmethod
    def read(self, limit: int) -> bytes:
        """Return all bytes, at most ``limit``.

        :raises SourceUnavailable: where it cannot be read, with the reason.
        :raises LimitExceeded: where there are more bytes (decode.max_bytes).
        """


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was found and is not taken for a picture, and why: ``reason`` in a few words, the same for its kind."""

    location: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSource(Source):
    """A name that leads to nothing that can be read."""

    reason: str

    @classmethod
    def of(cls, location: str, reason: str) -> Self:
        return cls(kind="missing", location=printable(location), name=printable(location), reason=reason)

    def read(self, limit: int) -> bytes:  # noqa: ARG002 - there is nothing to read
        raise SourceUnavailable(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource(Source):
    path: Path

    @classmethod
    def of(cls, path: Path) -> Self:
        """Describe ``path``; where it does not exist, ``read`` says so."""
        size = mtime_ns = None
        try:
            status = path.stat()
            size, mtime_ns = status.st_size, status.st_mtime_ns
        except OSError:
            pass
        return cls(
            kind="file",
            location=path_location(path),
            name=printable(path.name),
            size=size,
            mtime_ns=mtime_ns,
            path=path,
        )

    def read(self, limit: int) -> bytes:
        try:
            # Without O_NONBLOCK, opening a pipe that nobody writes to would never return.
            handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as stream:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    what = "a folder" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
                    msg = f"{self.location} is {what}."
                    raise SourceUnavailable(msg)
                if status.st_size > limit:
                    raise too_large(self.location, limit)
                data = stream.read(limit + 1)
        except OSError as error:
            reason = "does not exist" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
            msg = f"{self.location} {reason}."
            raise SourceUnavailable(msg) from error
        if len(data) > limit:
            raise too_large(self.location, limit)
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource(Source):
    """The bytes of a data URI (RFC 2397)."""

    data: bytes = field(repr=False)

    @classmethod
    def of(cls, uri: str) -> Source:
        """Decode ``uri``; its media type is not believed, the bytes say what they are."""
        head, comma, body = uri.partition(",")
        if not comma:
            return MissingSource.of(uri[:80], "The data URI has no comma before its data.")
        try:
            data = unquote_to_bytes(body)
            if head.rstrip().lower().endswith(";base64"):
                data = base64.b64decode(b"".join(data.split()), validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            return MissingSource.of(uri[:80], f"The data URI is not well formed: {error}.")
        digest = hashlib.sha256(data).hexdigest()
        return cls(kind="data", location=f"data:sha256,{digest}", name=f"data-{digest[:12]}", size=len(data), data=data)

    def read(self, limit: int) -> bytes:
        if len(self.data) > limit:
            raise too_large("The data URI", limit)
        return self.data


def too_large(what: str, limit: int) -> LimitExceeded:
    """Return the error for more than ``limit`` bytes."""
    return LimitExceeded(
        f"{what} has more than {limit:,} bytes, which decode.max_bytes allows.", limit="decode.max_bytes"
    )


def path_location(path: Path, *, as_url: bool = False) -> str:
    """Return the path as text; as a file URL where it is not UTF-8, so that it can be stored and found again."""
    text = str(path)
    return text if _is_utf8(text) and not as_url else "file://" + quote_from_bytes(os.fsencode(path))


def path_of(location: str) -> Path:
    """Return the path of a location, which may be a file URL (RFC 8089).

    :raises SourceUnavailable: for a URL without an absolute path on this machine.
    """
    if not location.lower().startswith("file:"):
        return Path(location)
    rest = location.split(":", 1)[1]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if host not in ("", "localhost"):
            msg = f"{location} is on another machine, {host}."
            raise SourceUnavailable(msg)
    raw = unquote_to_bytes(rest)
    if not raw.startswith(b"/") or b"\0" in raw:
        msg = f"{location} has no absolute path."
        raise SourceUnavailable(msg)
    return Path(os.fsdecode(raw))


def printable(text: str) -> str:
    """Return ``text`` with bytes that are not UTF-8 written out as escapes."""
    return text if _is_utf8(text) else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
