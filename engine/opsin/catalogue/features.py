"""The features of frames: storing them with who gave them, and finding those that are missing or outdated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, delete, exists, func, select

from opsin.catalogue import sqlite
from opsin.catalogue.contents import frame_numbers, pages
from opsin.catalogue.tables import embedding, feature


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How a feature is laid out, whose extractor gives it, and at which revision ("" for all that the encoder gives)."""

    dtype: str
    shape: tuple[int, ...]
    plugin: str = ""
    revision: str = ""

    @property
    def size(self) -> int:
        """The bytes of one frame's feature."""
        return np.dtype(self.dtype).itemsize * int(np.prod(self.shape))


Kinds = Mapping[str, Kind]
"""The features that plugins in use give, by name."""


def put(connection: Connection, found: Mapping[int, Sequence[Mapping[str, NDArray[Any]]]], kinds: Kinds) -> None:
    """Store every feature but the embedding: content id -> one mapping a frame, arrays in their declared type.

    The embeddings of the same frames are there already: they say which frames of the file these are.
    """
    numbers = frame_numbers(connection, [number for number, frames in found.items() if len(frames) > 1])
    rows = [
        {
            "content_id": number,
            "frame": numbers[number][place] if number in numbers else 0,
            "name": name,
            "data": np.ascontiguousarray(array).tobytes(),
            "plugin": kinds[name].plugin,
            "revision": kinds[name].revision,
        }
        for number, frames in found.items()
        for place, features in enumerate(frames)
        for name, array in features.items()
        if name != "embedding"
    ]
    sqlite.upsert(connection, feature, rows)


def of_contents(connection: Connection, ids: Collection[int], kinds: Kinds) -> dict[int, list[dict[str, NDArray[Any]]]]:
    """Return per content the features of each frame.

    Embeddings come as float32 of their float16 values. What is stored in another size, or was given at another revision,
    than its kind has now is left out.
    """
    found: dict[int, list[dict[str, NDArray[Any]]]] = {number: [] for number in ids}
    places: dict[tuple[int, int], int] = {}
    for page in pages(sorted(ids)):
        query = select(embedding).where(embedding.c.content_id.in_(page))
        for row in connection.execute(query.order_by(embedding.c.content_id, embedding.c.frame)):
            places[row.content_id, row.frame] = len(found[row.content_id])
            found[row.content_id].append({"embedding": np.frombuffer(row.vector, "<f2").astype(np.float32)})
        for row in connection.execute(select(feature).where(feature.c.content_id.in_(page))):
            kind = kinds.get(row.name)
            if kind is None or row.revision != kind.revision or (row.content_id, row.frame) not in places:
                continue
            if len(row.data) == kind.size:
                array = np.frombuffer(row.data, kind.dtype).reshape(kind.shape)
                found[row.content_id][places[row.content_id, row.frame]][row.name] = array
    return found


def missing(connection: Connection, kinds: Kinds) -> dict[int, frozenset[str]]:
    """Return the contents that lack a feature of ``kinds`` on a frame, with those they lack.

    One that is stored in another size is missing, too.
    """
    found: dict[int, set[str]] = {}
    for name, kind in kinds.items():
        if name == "embedding":  # every content has it
            continue
        same_frame = (feature.c.content_id == embedding.c.content_id) & (feature.c.frame == embedding.c.frame)
        stored = exists().where(same_frame, feature.c.name == name, func.length(feature.c.data) == kind.size)
        for (number,) in connection.execute(select(embedding.c.content_id).where(~stored).distinct()):
            found.setdefault(int(number), set()).add(name)
    return {number: frozenset(names) for number, names in found.items()}


def outdated(connection: Connection, kinds: Kinds) -> dict[int, frozenset[str]]:
    """Return the contents with a feature that was given at another revision than ``kinds`` have now, with these."""
    found: dict[int, set[str]] = {}
    for name, kind in kinds.items():
        query = select(feature.c.content_id).where(feature.c.name == name, feature.c.revision != kind.revision)
        for (number,) in connection.execute(query.distinct()):
            found.setdefault(int(number), set()).add(name)
    return {number: frozenset(names) for number, names in found.items()}


def revisions_of(connection: Connection, number: int) -> set[tuple[str, str]]:
    """Return (name, revision) of what is stored of a content beside its embeddings."""
    query = select(feature.c.name, feature.c.revision).where(feature.c.content_id == number).distinct()
    return {(str(name), str(revision)) for name, revision in connection.execute(query)}


def givers(connection: Connection) -> set[tuple[str, str]]:
    """Return (plugin, name) of all features that are stored."""
    query = select(feature.c.plugin, feature.c.name).distinct()
    return {(str(plugin), str(name)) for plugin, name in connection.execute(query)}


def drop(connection: Connection, plugin: str, names: Collection[str]) -> int:
    """Forget these features that a plugin gave, and return how many contents lost one."""
    chosen: ColumnElement[bool] = (feature.c.plugin == plugin) & feature.c.name.in_(names)
    count = connection.execute(select(func.count(feature.c.content_id.distinct())).where(chosen)).scalar_one()
    connection.execute(delete(feature).where(chosen))
    return int(count)
