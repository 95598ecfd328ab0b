"""What is kept of a saved search's query and conditions, and how both are read again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from opsin.catalogue.saved import SavedRow
from opsin.services.finding.query import Part
from opsin.services.looking.analyse import digest
from opsin.services.looking.given import Address


class SavedPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a saved search: ``text``, ``asset`` (an id), ``url``, ``picture`` or ``vector``.

    Of a picture that was sent its SHA-256 is kept and not its bytes, of a vector that of its numbers as float64: the search
    holds the vector made of them all.
    """

    text: str | None = None
    asset: str | None = None
    url: str | None = None
    picture: str | None = None
    vector: str | None = None
    weight: float = 1.0


_texts = msgspec.json.Decoder(tuple[str, ...])
_parts = msgspec.json.Decoder(tuple[SavedPart, ...])


def encoded(parts: Sequence[Part]) -> bytes:
    """Return what is kept of the parts of a query, as JSON."""
    return msgspec.json.encode([_part(each) for each in parts])


def told_of(row: SavedRow) -> tuple[SavedPart, ...]:
    """Return the parts of a saved search, as people are told of them."""
    return _parts.decode(row.parts)


def parts_of(row: SavedRow) -> tuple[Part, ...]:
    """Return the parts of a saved search; a picture's bytes are not kept."""
    return tuple(
        Part("text", each.text, each.weight)
        if each.text is not None
        else Part("asset", each.asset, each.weight)
        if each.asset is not None
        else Part("picture", each.picture or each.url or each.vector or "", each.weight)
        for each in told_of(row)
    )


def texts_of(row: SavedRow) -> tuple[str, ...]:
    """Return the conditions of a saved search, as they were given."""
    return _texts.decode(row.conditions)


def _part(part: Part) -> SavedPart:
    value = part.value
    if isinstance(value, Address):
        return SavedPart(url=value.url, weight=part.weight)
    if isinstance(value, bytes):
        return SavedPart(picture=digest(value).hex(), weight=part.weight)
    if isinstance(value, tuple):
        return SavedPart(vector=digest(np.array(value, "<f8").tobytes()).hex(), weight=part.weight)
    return (
        SavedPart(text=value, weight=part.weight) if part.kind == "text" else SavedPart(asset=value, weight=part.weight)
    )
