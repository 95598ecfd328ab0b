"""What people give as pictures: names of files, folders and addresses, or bytes without a place of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsin.errors import UsageError
from opsin.intake.source import DataSource
from opsin.services.analyse import digest
from opsin.settings import Settings

if TYPE_CHECKING:
    from opsin.intake.places import Scope
    from opsin.intake.sources import LeftOut, Source

Picture = str | Path | bytes


def sources_of(
    pictures: Sequence[Picture],
    settings: Settings,
    *,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
    scopes: list[Scope] | None = None,
) -> Iterator[Source]:
    """Yield the sources that ``pictures`` name; ``listed`` holds the names that "-" stands for."""
    from opsin.intake.sources import expand

    for picture in pictures:
        if isinstance(picture, bytes):
            yield from_bytes(picture)
        elif not isinstance(picture, str | Path):
            msg = f"a picture is named by a text or a path, or given as its bytes, not as {type(picture).__name__}"
            raise UsageError(msg)
        else:
            yield from expand([str(picture)], settings=settings, stdin=listed, left_out=left_out, scopes=scopes)


def from_bytes(data: bytes) -> DataSource:
    """Return the source of a picture in memory; the same bytes are the same source."""
    name = digest(data).hex()
    return DataSource(kind="data", location=f"data:sha256,{name}", name=f"data-{name[:12]}", size=len(data), data=data)


def existing_path(name: str | Path) -> Path | None:
    """Return the absolute, normalised path of a file or folder that is there, else None."""
    try:
        path = Path(os.path.abspath(name))  # noqa: PTH100  Path.resolve would follow links, which have names of their own
        return path if path.exists() else None
    except (OSError, ValueError):  # too long for a name, or with a NUL: a data URI, say
        return None
