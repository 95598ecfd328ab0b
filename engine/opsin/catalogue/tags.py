"""Tags by models: one roaring bitmap of asset rows per label, in generations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pyroaring import BitMap
from sqlalchemy import Connection, delete, select, tuple_

from opsin.catalogue import sqlite
from opsin.catalogue.database import get_meta, set_meta
from opsin.catalogue.tables import tag_bitmap

_CHUNK_BITS = 16
_GENERATION = "tag_generation"
_PAGE = 300


def generation(connection: Connection) -> int:
    """Return the number of the generation in force."""
    return int(get_meta(connection, _GENERATION) or 0)


def put(
    connection: Connection, tags: Mapping[int, Iterable[str]], *, before: Mapping[int, Iterable[str]] | None = None
) -> None:
    """Give assets their tags in the generation in force. ``before`` names the tags that they had, if any."""
    current = generation(connection)
    given, taken = _by_chunk(tags), _by_chunk(before or {})
    keys = sorted(given.keys() | taken.keys())
    found: dict[tuple[str, int], BitMap] = {}
    for start in range(0, len(keys), _PAGE):
        query = select(tag_bitmap.c.label, tag_bitmap.c.chunk, tag_bitmap.c.bits).where(
            tag_bitmap.c.generation == current,
            tuple_(tag_bitmap.c.label, tag_bitmap.c.chunk).in_(keys[start : start + _PAGE]),
        )
        found.update(((label, chunk), BitMap.deserialize(bits)) for label, chunk, bits in connection.execute(query))
    rows = []
    for key in keys:
        bits = found.get(key, BitMap())
        bits -= taken.get(key, BitMap())
        bits |= given.get(key, BitMap())
        rows.append({"generation": current, "label": key[0], "chunk": key[1], "bits": bits.serialize()})
    sqlite.upsert(connection, tag_bitmap, rows)


def replace(connection: Connection, tags: Mapping[str, BitMap]) -> None:
    """Write all tags anew as the next generation, and swap it in."""
    following = generation(connection) + 1
    rows = []
    for label, bitmap in tags.items():
        for chunk in range((bitmap.max() >> _CHUNK_BITS) + 1) if bitmap else ():
            bits = bitmap & BitMap(range(chunk << _CHUNK_BITS, (chunk + 1) << _CHUNK_BITS))
            if bits:
                rows.append({"generation": following, "label": label, "chunk": chunk, "bits": bits.serialize()})
    sqlite.upsert(connection, tag_bitmap, rows)
    set_meta(connection, _GENERATION, str(following))
    connection.execute(delete(tag_bitmap).where(tag_bitmap.c.generation < following))


def rows_with(connection: Connection, label: str) -> BitMap:
    """Return the rows of the assets that models gave ``label``."""
    query = select(tag_bitmap.c.bits).where(
        tag_bitmap.c.generation == generation(connection), tag_bitmap.c.label == label
    )
    return BitMap.union(*(BitMap.deserialize(bits) for (bits,) in connection.execute(query)), BitMap())


def all_bitmaps(connection: Connection) -> dict[str, BitMap]:
    """Return every label that a model gave, with its rows."""
    query = select(tag_bitmap.c.label, tag_bitmap.c.bits).where(tag_bitmap.c.generation == generation(connection))
    found: dict[str, BitMap] = defaultdict(BitMap)
    for label, bits in connection.execute(query):
        found[label] |= BitMap.deserialize(bits)
    return {label: bits for label, bits in found.items() if bits}


def tags_of(connection: Connection, rows: Iterable[int]) -> dict[int, list[str]]:
    """Return for each of these assets the labels that models gave it."""
    found: dict[int, list[str]] = {row: [] for row in rows}
    wanted = BitMap(found)
    for label, bits in all_bitmaps(connection).items():
        for row in bits & wanted:
            found[row].append(label)
    return found


def _by_chunk(tags: Mapping[int, Iterable[str]]) -> dict[tuple[str, int], BitMap]:
    found: dict[tuple[str, int], BitMap] = defaultdict(BitMap)
    for row, labels in tags.items():
        for label in labels:
            found[label, row >> _CHUNK_BITS].add(row)
    return found
