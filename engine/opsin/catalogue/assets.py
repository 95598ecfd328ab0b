"""Assets: the names under which contents are known, and what people said about them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)

from opsin.catalogue import sqlite
from opsin.catalogue.ids import new_id, now
from opsin.catalogue.tables import asset, content, erased_asset, erased_vector, person_tag

_PAGE = 500
_LONGEST_NAME = 16_384
"""Bytes of the longest name, which is an address, twice over: SQLite refuses to compare with far longer ones."""


class NewAsset(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a content. ``context`` is JSON; ``auto_tag`` is the threshold of this asset's tags, None = default."""

    name: str
    location: str
    copied: bool
    size: int | None = None
    mtime_ns: int | None = None
    etag: str | None = None
    owner: str | None = None
    caption: str | None = None
    context: str | None = None
    auto_tag: float | None = None
    public_id: str | None = None


class AssetRow(msgspec.Struct, frozen=True, kw_only=True):
    """An asset together with its content."""

    row: int
    id: str
    content_id: int
    name: str
    location: str
    copied: bool
    size: int | None
    mtime_ns: int | None
    etag: str | None
    vanished_at: str | None
    owner: str | None
    caption: str | None
    context: str | None
    auto_tag: float | None
    added_at: str
    updated_at: str
    public_id: str | None
    version: int
    deleted_at: str | None
    sha256: bytes
    bytes: int
    format: str
    width: int
    height: int
    frames: int
    transparent: bool
    taken_at: str | None


_WITH_DELETED: Select[Any] = select(
    *(asset.c[name] if name in asset.c else content.c[name] for name in AssetRow.__struct_fields__)
).join(content, content.c.id == asset.c.content_id)
_ASSETS = _WITH_DELETED.where(asset.c.deleted_at.is_(None))

# Queries that each search asks are made once: making them costs more than asking them.
_OF_CONTENTS = _ASSETS.where(asset.c.content_id.in_(bindparam("ids", expanding=True))).order_by(asset.c.row)
_SAID = select(person_tag.c.asset_row, person_tag.c.label, person_tag.c.present).where(
    person_tag.c.asset_row.in_(bindparam("rows", expanding=True))
)

_NUMBERS = union_all(
    select(func.max(asset.c.change).label("top")),
    select(func.max(erased_asset.c.change)),
    select(func.max(erased_vector.c.change)),
).subquery()
NEXT = select(func.coalesce(func.max(_NUMBERS.c.top), 0) + 1).scalar_subquery()
"""The number of a change: writers wait for each other, so that it is higher than every number that was committed."""


def select_assets(*, deleted: bool = False) -> Select[Any]:
    """Return the query of all assets joined with their contents; add conditions to it. ``deleted``: also these."""
    return _WITH_DELETED if deleted else _ASSETS


def asset_of(row: Row[Any]) -> AssetRow:
    """Return an asset as :func:`select_assets` finds it."""
    return AssetRow(**dict(zip(AssetRow.__struct_fields__, row, strict=True)))


def add(connection: Connection, new: Sequence[tuple[int, NewAsset]]) -> list[int]:
    """Store assets, pairs of content id and name, and return their row numbers, in order."""
    if not new:
        return []
    at = now()
    statement = insert(asset).values(change=NEXT).returning(asset.c.row, sort_by_parameter_order=True)
    rows = [
        {**msgspec.structs.asdict(each), "id": new_id(), "content_id": number, "added_at": at, "updated_at": at}
        for number, each in new
    ]
    return [int(row) for row in connection.execute(statement, rows).scalars()]


def change(connection: Connection, row: int, **values: Any) -> None:
    """Change columns of one asset."""
    connection.execute(update(asset).where(asset.c.row == row).values(updated_at=now(), change=NEXT, **values))


def at_location(connection: Connection, location: str) -> AssetRow | None:
    """Return the asset that is at ``location``, else None."""
    row = connection.execute(select_assets().where(asset.c.location == location)).first()
    return None if row is None else asset_of(row)


def at_locations(connection: Connection, locations: Collection[str]) -> dict[str, AssetRow]:
    """Return the assets that are at these locations, by location, also those that are deleted."""
    found: dict[str, AssetRow] = {}
    wanted = sorted(set(locations))
    for start in range(0, len(wanted), _PAGE):
        query = _WITH_DELETED.where(asset.c.location.in_(wanted[start : start + _PAGE]))
        found.update((row.location, asset_of(row)) for row in connection.execute(query))
    return found


def of_content(connection: Connection, content_id: int) -> list[AssetRow]:
    """Return every asset of one content, oldest first."""
    return [
        asset_of(row)
        for row in connection.execute(select_assets().where(asset.c.content_id == content_id).order_by(asset.c.row))
    ]


def of_contents(connection: Connection, ids: Collection[int]) -> dict[int, list[AssetRow]]:
    """Return the assets of several contents: content id -> assets, oldest first."""
    found: dict[int, list[AssetRow]] = {number: [] for number in ids}
    wanted = sorted(ids)
    for start in range(0, len(wanted), _PAGE):
        for row in connection.execute(_OF_CONTENTS, {"ids": wanted[start : start + _PAGE]}):
            found[row.content_id].append(asset_of(row))
    return found


def resolve(connection: Connection, name: str) -> list[AssetRow]:
    """Return the assets that ``name`` may mean: an id, a public id, a location, an id's beginning (8+ letters) or a name.

    Those that have vanished are meant only where no other is.
    """
    try:
        if len(name.encode()) > _LONGEST_NAME:
            return []
    except UnicodeEncodeError:  # a path that is not UTF-8: no name in the catalogue is
        return []
    tries: list[ColumnElement[bool]] = [asset.c.id == name, asset.c.public_id == name, asset.c.location == name]
    if len(name) >= 8:  # a shorter beginning of an id means nothing, as ids of one minute begin alike
        tries.append(asset.c.id.startswith(name, autoescape=True))
    tries += [asset.c.name == name, asset.c.location.endswith("/" + name, autoescape=True)]
    for condition in tries:
        there_first = asset.c.vanished_at.is_not(None), asset.c.row
        found = connection.execute(select_assets().where(condition).order_by(*there_first).limit(20)).all()
        if found:
            meant = [asset_of(row) for row in found]
            return [row for row in meant if row.vanished_at is None] or meant
    return []


def by_public_id(connection: Connection, name: str) -> AssetRow | None:
    """Return the asset that is called so, else None."""
    row = connection.execute(select_assets().where(asset.c.public_id == name)).first()
    return None if row is None else asset_of(row)


def by_rows(connection: Connection, rows: Collection[int]) -> dict[int, AssetRow]:
    """Return the assets with these row numbers."""
    found: dict[int, AssetRow] = {}
    wanted = sorted(rows)
    for start in range(0, len(wanted), _PAGE):
        query = select_assets().where(asset.c.row.in_(wanted[start : start + _PAGE]))
        found.update((row.row, asset_of(row)) for row in connection.execute(query))
    return found


def page(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], *, after: int, limit: int
) -> list[AssetRow]:
    """Return up to ``limit`` assets with a row number above ``after`` that meet all conditions, in row order."""
    query = select_assets().where(asset.c.row > after, *conditions).order_by(asset.c.row).limit(limit)
    return [asset_of(row) for row in connection.execute(query)]


def every(
    connection: Connection, conditions: Sequence[ColumnElement[bool]] = (), size: int = 1000
) -> Iterator[list[AssetRow]]:
    """Yield all assets that meet the conditions, in row order, a page at a time."""
    after = 0
    while rows := page(connection, conditions, after=after, limit=size):
        yield rows
        after = rows[-1].row


def rows_where(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> NDArray[np.uint32]:
    """Return the row numbers of the assets that meet all conditions, sorted."""
    query = select(asset.c.row).join(content, content.c.id == asset.c.content_id)
    query = query.where(asset.c.deleted_at.is_(None), *conditions)
    return np.array(sorted(connection.execute(query).scalars()), np.uint32)


def changed_since(connection: Connection, change: int) -> NDArray[np.int64]:
    """Return row number, content id, state and change of the assets written since, int64 (n, 4), in the order of changes.

    State: 0 there, 1 vanished, 2 deleted or erased. An erased asset has the content id 0.
    """
    state = case((asset.c.deleted_at.is_not(None), 2), (asset.c.vanished_at.is_not(None), 1), else_=0)
    here = select(asset.c.row, asset.c.content_id, state, asset.c.change).where(asset.c.change > change)
    gone = select(erased_asset.c.row, literal(0), literal(2), erased_asset.c.change)
    query = union_all(here, gone.where(erased_asset.c.change > change))
    found = connection.execute(query.order_by(query.selected_columns[3])).all()
    return np.array([tuple(row) for row in found], np.int64).reshape(-1, 4)


def count(connection: Connection) -> tuple[int, int]:
    """Return how many assets there are, and how many of them have vanished; those that are deleted do not count."""
    query = select(func.count(), func.count(asset.c.vanished_at)).where(asset.c.deleted_at.is_(None))
    total, vanished = connection.execute(query.select_from(asset)).one()
    return int(total), int(vanished)


def set_person_tags(connection: Connection, rows: Collection[int], labels: Mapping[str, bool]) -> None:
    """Store a person's word about labels of some assets: True = present, False = removed for good."""
    at = now()
    said = [
        {"asset_row": row, "label": label, "present": present, "at": at}
        for row in rows
        for label, present in labels.items()
    ]
    sqlite.upsert(connection, person_tag, said)


def person_tags(connection: Connection, rows: Collection[int]) -> dict[int, dict[str, bool]]:
    """Return what people said of these assets: row number -> label -> present."""
    found: dict[int, dict[str, bool]] = {row: {} for row in rows}
    wanted = sorted(rows)
    for start in range(0, len(wanted), _PAGE):
        for row, label, present in connection.execute(_SAID, {"rows": wanted[start : start + _PAGE]}):
            found[row][label] = bool(present)
    return found


def person_labels(connection: Connection) -> set[str]:
    """Return every label of which a person said something."""
    return set(connection.execute(select(person_tag.c.label).distinct()).scalars())
