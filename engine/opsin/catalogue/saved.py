"""Saved searches, as they were asked for, with their vectors."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from opsin.catalogue.tables import saved_search


class SavedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A saved search. ``parts`` and ``conditions`` are JSON; ``vector`` holds little-endian float32."""

    id: str
    name: str
    parts: str
    conditions: str
    cutoff: float
    vector: bytes
    created_at: str


_SAVED = select(*(saved_search.c[name] for name in SavedRow.__struct_fields__)).order_by(saved_search.c.id)


def add(connection: Connection, new: SavedRow) -> None:
    """Store a saved search."""
    connection.execute(insert(saved_search).values(**msgspec.structs.asdict(new)))


def every(connection: Connection, *, after: str = "", limit: int | None = None) -> list[SavedRow]:
    """Return the saved searches behind the id ``after``, oldest first."""
    query = _SAVED.where(saved_search.c.id > after).limit(limit)
    return [SavedRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001


def get(connection: Connection, identity: str) -> SavedRow | None:
    """Return one saved search, None where there is none of this id."""
    row = connection.execute(_SAVED.where(saved_search.c.id == identity)).first()
    return None if row is None else SavedRow(**row._mapping)  # noqa: SLF001


def change(connection: Connection, identity: str, **values: Any) -> None:
    """Change columns of a saved search."""
    connection.execute(update(saved_search).where(saved_search.c.id == identity).values(**values))


def drop(connection: Connection, identity: str) -> None:
    """Forget a saved search."""
    connection.execute(delete(saved_search).where(saved_search.c.id == identity))


def count(connection: Connection) -> int:
    """Return how many saved searches there are."""
    return int(connection.execute(select(func.count()).select_from(saved_search)).scalar_one())
