"""Assets by where they are: those of a folder or bucket that are referenced and held to be there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet

import msgspec
from sqlalchemy import Connection, func, select

from opsin.catalogue import assets
from opsin.catalogue.database import get_meta, set_meta
from opsin.catalogue.ids import now
from opsin.catalogue.tables import asset

_PAGE = 1000


class Referenced(msgspec.Struct, frozen=True):
    """An asset whose picture lies outside the library."""

    row: int
    location: str


def newest(connection: Connection) -> int:
    """Return the highest row number of an asset, 0 where there is none."""
    return connection.execute(select(func.max(asset.c.row))).scalar() or 0


def mounts(connection: Connection) -> frozenset[str]:
    """Return the locations of the folders in which another file system began when they were last seen."""
    return msgspec.json.decode(get_meta(connection, "mounts") or "[]", type=frozenset[str])


def set_mounts(connection: Connection, found: AbstractSet[str]) -> None:
    """Store what :func:`mounts` returns from now on."""
    set_meta(connection, "mounts", msgspec.json.encode(sorted(found)).decode())


def vanished(connection: Connection, ids: Collection[str]) -> list[int]:
    """Return the row numbers of those of these assets that are held to be gone."""
    wanted = sorted(ids)
    found: list[int] = []
    for start in range(0, len(wanted), _PAGE):
        query = select(asset.c.row).where(
            asset.c.id.in_(wanted[start : start + _PAGE]), asset.c.vanished_at.is_not(None)
        )
        found += connection.execute(query).scalars()
    return sorted(found)


def between(connection: Connection, low: str, high: str, size: int = _PAGE) -> Iterator[list[Referenced]]:
    """Yield, a page at a time, the assets from location ``low`` up to ``high``, without those copied or vanished."""
    query = (
        select(asset.c.row, asset.c.location)
        .where(asset.c.location < high, asset.c.vanished_at.is_(None), asset.c.deleted_at.is_(None), ~asset.c.copied)
        .order_by(asset.c.location)
        .limit(size)
    )
    found = connection.execute(query.where(asset.c.location >= low)).all()
    while found:
        yield [Referenced(*row) for row in found]
        found = connection.execute(query.where(asset.c.location > found[-1].location)).all()


def mark_vanished(connection: Connection, gone: Collection[Referenced]) -> list[int]:
    """Mark these assets as vanished, unless they have moved meanwhile; return the rows that were marked."""
    at = now()
    here = assets.by_rows(connection, [each.row for each in gone])
    still = {(row.row, row.location) for row in here.values() if row.vanished_at is None}
    rows = [each.row for each in gone if (each.row, each.location) in still]
    for row in rows:
        assets.change(connection, row, vanished_at=at)
    return rows
