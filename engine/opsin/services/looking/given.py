"""What people give as pictures: names of files, folders and addresses, or bytes without a place of their own."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from opsin.errors import SourceUnavailable, UsageError
from opsin.intake.source import DataSource
from opsin.services.looking.analyse import digest
from opsin.settings import Settings

if TYPE_CHECKING:
    from opsin.intake.mounts import Mounts
    from opsin.intake.places import Scope
    from opsin.intake.sources import LeftOut, Source

_LONGEST_NAME = 255


class Upload(msgspec.Struct, frozen=True):
    """A picture in memory with the name that it was sent under; without one it is named by its bytes."""

    data: bytes
    name: str = ""


class Address(msgspec.Struct, frozen=True):
    """A picture behind a web address that a caller of the service sent: only what ``serve.urls`` allows is fetched."""

    url: str


Picture = str | Path | bytes | Upload | Address


def as_sent(picture: object) -> Upload | Address:
    """Return a picture that comes from elsewhere as what it is: a name of this machine's files is none.

    :raises UsageError: for anything else.
    """
    if isinstance(picture, bytes):
        return Upload(picture)
    if not isinstance(picture, Upload | Address):
        msg = f"a job adds what was sent, an Upload or an Address, not what {type(picture).__name__} names on this machine"
        raise UsageError(msg)
    return picture


def sources_of(
    pictures: Sequence[Picture],
    settings: Settings,
    *,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
    scopes: list[Scope] | None = None,
    mounts: Mounts | None = None,
    owner: str | None = None,
    public_id: str | None = None,
) -> Iterator[Source]:
    """Yield the sources that ``pictures`` name; ``listed`` holds the names that "-" stands for.

    Uploads, and what is fetched for a caller of the service, are ``owner``'s; an upload is at the place of its
    ``public_id`` where it has one.
    """
    from opsin.intake.sources import expand

    for picture in pictures:
        if isinstance(picture, bytes):
            yield from_bytes(picture) if public_id is None else from_upload(Upload(picture), owner, public_id)
        elif isinstance(picture, Upload):
            yield from_upload(picture, owner, public_id)
        elif isinstance(picture, Address):
            yield from_address(picture, settings, owner)
        elif not isinstance(picture, str | Path):
            msg = f"a picture is named by a text or a path, or given as its bytes, not as {type(picture).__name__}"
            raise UsageError(msg)
        else:
            yield from expand(
                [str(picture)], settings=settings, stdin=listed, left_out=left_out, scopes=scopes, mounts=mounts
            )


def example_of(picture: Picture, settings: Settings) -> Source:
    """Return the one source that ``picture`` names, as an example to search by.

    :raises UsageError: where it names none, or several.
    """
    found = list(itertools.islice(sources_of([picture], settings), 2))
    if len(found) != 1:
        msg = f"{str(picture)!r} holds {'more than one' if found else 'no'} picture: an example is one picture"
        raise UsageError(msg)
    return found[0]


def from_bytes(data: bytes) -> DataSource:
    """Return the source of a picture in memory; the same bytes are the same source."""
    name = digest(data).hex()
    return DataSource(kind="data", location=f"data:sha256,{name}", name=f"data-{name[:12]}", size=len(data), data=data)


def place_of(public_id: str) -> str:
    """Return where the uploads with this public id are."""
    return f"public:{public_id}"


def from_upload(upload: Upload, owner: str | None, public_id: str | None = None) -> DataSource:
    """Return the source of an upload: the same bytes under the same name of the same owner are the same source.

    Two owners, or two names, make two assets of one content; an upload that is sent again changes nothing.
    """
    plain = from_bytes(upload.data)
    name = re.split(r"[/\\\\]", "".join(c for c in upload.name if c.isprintable()))[-1][:_LONGEST_NAME].strip()
    if public_id is not None:
        kept = name or public_id
        return DataSource(kind="data", location=place_of(public_id), name=kept, size=plain.size, data=upload.data)
    if not name and owner is None:
        return plain
    kept = name or plain.name
    place = f"upload:{quote(owner or '', safe='')}/{digest(upload.data).hex()}/{quote(kept, safe='')}"
    return DataSource(kind="data", location=place, name=kept, size=plain.size, data=upload.data)


def from_address(address: Address, settings: Settings, owner: str | None = None) -> Source:
    """Return the source behind a web address that a caller of the service sent; nothing is fetched yet.

    The address names the picture: other bytes at the same address, for the same owner, are the next version of it.
    """
    from opsin.intake.urls import Fetcher, UrlSource

    place = "" if owner is None else f"upload:{quote(owner, safe='')}/"
    return UrlSource.of(address.url, Fetcher(settings.urls, allowed=settings.serve.urls), place=place)


def upload_of_uri(uri: str) -> Upload:
    """Return the picture in a data URI.

    :raises SourceUnavailable: where it is none, or not well formed; nothing is fetched.
    """
    if uri[:5].lower() != "data:":
        raise SourceUnavailable("this is no data URI: send the bytes, a data URI, or a web address as `url`")
    source = DataSource.of(uri)
    if not isinstance(source, DataSource):
        source.read(0)
        raise SourceUnavailable("the data URI is not well formed")
    return Upload(source.data)


def existing_path(name: str | Path) -> Path | None:
    """Return the absolute, normalised path of a file or folder that is there, else None."""
    try:
        path = Path(os.path.abspath(name))  # noqa: PTH100  Path.resolve would follow links, which have names of their own
        return path if path.exists() else None
    except (OSError, ValueError):  # too long for a name, or with a NUL: a data URI, say
        return None
