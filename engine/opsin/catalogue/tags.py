"""The tags that assets have: one roaring bitmap of asset rows per label, in generations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from pyroaring import BitMap
from sqlalchemy import Connection, Integer, bindparam, delete, func, select, tuple_

from opsin.catalogue import sqlite
from opsin.catalogue.database import get_meta, set_meta
from opsin.catalogue.tables import meta, tag_bitmap

_CHUNK_BITS = 16
_GENERATION = "tag_generation"
_RULES = "tag_rules"
_PAGE = 300

_Chunks = dict[tuple[str, int], BitMap]

_IN_FORCE = select(meta.c.value.cast(Integer)).where(meta.c.key == _GENERATION).scalar_subquery()
_ROWS_WITH = select(tag_bitmap.c.label, tag_bitmap.c.bits).where(
    tag_bitmap.c.generation == func.coalesce(_IN_FORCE, 0), tag_bitmap.c.label.in_(bindparam("labels", expanding=True))
)
"""Made once, as making it costs more than asking it."""


def generation(connection: Connection) -> int:
    """Return the number of the generation in force."""
    return int(get_meta(connection, _GENERATION) or 0)


def rules(connection: Connection) -> str | None:
    """Return by which rules the stored tags followed when all of them were last made."""
    return get_meta(connection, _RULES)


def set_rules(connection: Connection, digest: str) -> None:
    """Note that every stored tag follows by these rules."""
    set_meta(connection, _RULES, digest)


def put(
    connection: Connection, tags: Mapping[int, Iterable[str]], *, new: Collection[int] = ()
) -> dict[int, frozenset[str]]:
    """Give assets these tags and no others, and return those that they had. ``new`` are those known to have had none."""
    current = generation(connection)
    before = {row >> _CHUNK_BITS for row in tags if row not in new}
    given = _by_chunk(tags)
    found = _chunks(connection, current, before)
    found |= _named(connection, current, sorted(key for key in given if key[1] not in before))
    meant: dict[int, BitMap] = defaultdict(BitMap)
    for row in tags:
        meant[row >> _CHUNK_BITS].add(row)
    had: dict[int, set[str]] = {row: set() for row in tags}
    rows = []
    emptied: list[tuple[str, int]] = []
    for label, chunk in sorted(found.keys() | given.keys()):
        bits = found.get((label, chunk), BitMap())
        for row in (mine := bits & meant[chunk]):
            had[row].add(label)
        wanted = given.get((label, chunk), BitMap())
        if mine != wanted:
            if bits := (bits - mine) | wanted:
                rows.append({"generation": current, "label": label, "chunk": chunk, "bits": bits.serialize()})
            else:
                emptied.append((label, chunk))
    sqlite.upsert(connection, tag_bitmap, rows)
    for start in range(0, len(emptied), _PAGE):
        named = tuple_(tag_bitmap.c.label, tag_bitmap.c.chunk).in_(emptied[start : start + _PAGE])
        connection.execute(delete(tag_bitmap).where(tag_bitmap.c.generation == current, named))
    return {row: frozenset(labels) for row, labels in had.items()}


def replace(connection: Connection, tags: Mapping[str, BitMap], rules: str) -> None:
    """Write all tags, as they follow by ``rules``, anew as the next generation, and swap it in."""
    following = generation(connection) + 1
    rows = []
    for label, bitmap in tags.items():
        for chunk in range((bitmap.max() >> _CHUNK_BITS) + 1) if bitmap else ():
            bits = bitmap & BitMap(range(chunk << _CHUNK_BITS, (chunk + 1) << _CHUNK_BITS))
            if bits:
                rows.append({"generation": following, "label": label, "chunk": chunk, "bits": bits.serialize()})
    sqlite.upsert(connection, tag_bitmap, rows)
    set_meta(connection, _GENERATION, str(following))
    set_rules(connection, rules)
    connection.execute(delete(tag_bitmap).where(tag_bitmap.c.generation < following))


def rows_with(connection: Connection, labels: Collection[str]) -> dict[str, BitMap]:
    """Return for each of these labels the rows of the assets that have it."""
    found = {label: BitMap() for label in labels}
    for label, bits in connection.execute(_ROWS_WITH, {"labels": sorted(found)}):
        found[label] |= BitMap.deserialize(bits)
    return found


def all_rows(connection: Connection) -> dict[str, BitMap]:
    """Return every label that an asset has, with the rows of those that have it."""
    query = select(tag_bitmap.c.label, tag_bitmap.c.bits).where(tag_bitmap.c.generation == generation(connection))
    found: dict[str, BitMap] = defaultdict(BitMap)
    for label, bits in connection.execute(query):
        found[label] |= BitMap.deserialize(bits)
    return {label: bits for label, bits in found.items() if bits}


def labels(connection: Connection) -> set[str]:
    """Return every label that an asset has."""
    query = select(tag_bitmap.c.label).where(tag_bitmap.c.generation == generation(connection))
    return set(connection.execute(query.distinct()).scalars())


def _chunks(connection: Connection, current: int, chunks: Collection[int]) -> _Chunks:
    """Return all labels' bitmaps of these chunks."""
    if not chunks:
        return {}
    query = select(tag_bitmap.c.label, tag_bitmap.c.chunk, tag_bitmap.c.bits).where(
        tag_bitmap.c.generation == current, tag_bitmap.c.chunk.in_(sorted(chunks))
    )
    return {(label, chunk): BitMap.deserialize(bits) for label, chunk, bits in connection.execute(query)}


def _named(connection: Connection, current: int, keys: list[tuple[str, int]]) -> _Chunks:
    """Return the bitmaps of these labels and chunks."""
    found: _Chunks = {}
    for start in range(0, len(keys), _PAGE):
        query = select(tag_bitmap.c.label, tag_bitmap.c.chunk, tag_bitmap.c.bits).where(
            tag_bitmap.c.generation == current,
            tuple_(tag_bitmap.c.label, tag_bitmap.c.chunk).in_(keys[start : start + _PAGE]),
        )
        found.update(((label, chunk), BitMap.deserialize(bits)) for label, chunk, bits in connection.execute(query))
    return found


def _by_chunk(tags: Mapping[int, Iterable[str]]) -> _Chunks:
    found: _Chunks = defaultdict(BitMap)
    for row, labels in tags.items():
        for label in labels:
            found[label, row >> _CHUNK_BITS].add(row)
    return found
