"""The pictures that people name to a client: read here, as the service sees none of this machine's files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from opsin.errors import Refused
from opsin.intake.source import LeftOut, Source
from opsin.services.finding.query import Part
from opsin.services.looking.given import Picture, Upload, example_of, existing_path, sources_of
from opsin.settings import Settings

Example = Picture | tuple[Picture, float]
_MOST = 16
_LARGEST = 8 * 1024 * 1024
"""So many pictures, and bytes, go into one request at the most; a larger picture goes alone."""


class Named(NamedTuple):
    """A picture that was named: where it is, and its bytes, or why they cannot be had."""

    source: Source
    what: bytes | Refused


def read(
    pictures: Sequence[Picture],
    settings: Settings,
    *,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
) -> Iterator[Named]:
    """Read the pictures of files, folders, globs, addresses, data URIs and bytes, one after the other."""
    for source in sources_of(pictures, settings, listed=listed, left_out=left_out):
        try:
            yield Named(source, source.read(settings.decode.max_bytes))
        except Refused as error:
            yield Named(source, error)


def count(pictures: Sequence[Picture], settings: Settings) -> int:
    """Return how many sources ``pictures`` name, without reading any."""
    return sum(1 for _ in sources_of(pictures, settings))


def together(pictures: Iterable[Named]) -> Iterator[list[Named]]:
    """Put pictures into groups, each for one request."""
    group: list[Named] = []
    size = 0
    for picture in pictures:
        size += len(picture.what) if isinstance(picture.what, bytes) else 0
        if group and (size > _LARGEST or len(group) == _MOST):
            yield group
            group, size = [], len(picture.what) if isinstance(picture.what, bytes) else 0
        group.append(picture)
    if group:
        yield group


def part_of(example: Example, settings: Settings) -> Part:
    """Return the part of a query that an example makes: a picture of this machine, else an asset's id.

    :raises Refused: where the picture cannot be read.
    :raises UsageError: where it names none, or several.
    """
    picture, weight = example if isinstance(example, tuple) else (example, 1.0)
    if isinstance(picture, Upload):
        return Part("picture", picture.data, weight)
    if isinstance(picture, str) and not _is_here(picture):
        return Part("asset", picture, weight)
    source = example_of(picture, settings)
    return Part("picture", source.read(settings.decode.max_bytes), weight)


def in_json(part: Part) -> dict[str, Any]:
    """Return a part of a query as the service reads it."""
    if isinstance(part.value, bytes):
        return {"image": f"data:;base64,{base64.b64encode(part.value).decode()}", "weight": part.weight}
    return {part.kind: part.value, "weight": part.weight}


def _is_here(name: str) -> bool:
    """Whether a name is that of a file here or of an address, and not of an asset."""
    return ":" in name or existing_path(Path(name)) is not None
