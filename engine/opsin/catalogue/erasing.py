"""Deleting assets, undoing that, and erasing what was deleted: the only place where rows leave the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, exists, func, insert, select

from opsin.catalogue import assets, outbox, tags
from opsin.catalogue.assets import NEXT, AssetRow, asset_of, select_assets
from opsin.catalogue.contents import pages
from opsin.catalogue.tables import asset, content, embedding, erased_asset, erased_vector, feature, person_tag, report


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What went with some assets: rows of vectors, and the SHA-256 of contents and of copies that nobody has any more."""

    vectors: tuple[int, ...]
    contents: tuple[bytes, ...]
    copies: tuple[bytes, ...]


def hide(connection: Connection, row: int, at: str) -> None:
    """Delete an asset: from now on no list, count or search knows it."""
    assets.change(connection, row, deleted_at=at)
    tags.put(connection, {row: ()})


def show(connection: Connection, row: int) -> None:
    """Undo the deletion of an asset; its tags are the caller's to store."""
    assets.change(connection, row, deleted_at=None)


def hidden(connection: Connection, name: str) -> list[AssetRow]:
    """Return the deleted assets that ``name`` may mean: an id, a public id, a location or a name; the latest first."""
    for column in (asset.c.id, asset.c.public_id, asset.c.location, asset.c.name):
        query = select_assets(deleted=True).where(asset.c.deleted_at.is_not(None), column == name)
        found = connection.execute(query.order_by(asset.c.deleted_at.desc(), asset.c.row.desc()).limit(20)).all()
        if found:
            return [asset_of(row) for row in found]
    return []


def hidden_until(connection: Connection, moment: str, most: int) -> list[AssetRow]:
    """Return up to ``most`` assets that were deleted up to ``moment``, the earliest first."""
    query = select_assets(deleted=True).where(asset.c.deleted_at <= moment).order_by(asset.c.deleted_at).limit(most)
    return [asset_of(row) for row in connection.execute(query)]


def erase(connection: Connection, gone: Sequence[AssetRow]) -> Erased:
    """Take assets out for good, with the contents that no other asset has; only their numbers are kept, as used."""
    rows, numbers = [row.row for row in gone], {row.content_id: row.sha256 for row in gone}
    connection.execute(delete(person_tag).where(person_tag.c.asset_row.in_(rows)))
    for row in rows:
        connection.execute(insert(erased_asset).values(row=row, change=NEXT))
    outbox.cut(connection, {row.row: row.id for row in gone})
    connection.execute(delete(asset).where(asset.c.row.in_(rows)))
    kept = select(asset.c.content_id, func.max(asset.c.copied)).where(asset.c.content_id.in_(numbers))
    still = {number: bool(copied) for number, copied in connection.execute(kept.group_by(asset.c.content_id))}
    lost = {number: numbers[number] for number in sorted(numbers.keys() - still)}
    return Erased(
        vectors=_erase_contents(connection, lost),
        contents=tuple(lost.values()),
        copies=tuple(digest for number, digest in numbers.items() if not still.get(number, False)),
    )


def erase_contents(connection: Connection, numbers: Sequence[int]) -> Erased:
    """Take contents out for good that no asset has."""
    found = connection.execute(select(content.c.id, content.c.sha256).where(content.c.id.in_(numbers)))
    lost = {int(number): bytes(digest) for number, digest in found}
    return Erased(vectors=_erase_contents(connection, lost), contents=tuple(lost.values()), copies=())


def _erase_contents(connection: Connection, numbers: Collection[int]) -> tuple[int, ...]:
    """Take contents out with their features and reports; return the rows of their vectors, noted as one more change."""
    vectors = sorted(connection.execute(select(embedding.c.row).where(embedding.c.content_id.in_(numbers))).scalars())
    if vectors:
        change = connection.execute(select(NEXT)).scalar_one()
        connection.execute(insert(erased_vector).values(change=change), [{"row": row} for row in vectors])
    for table in (embedding, feature, report):
        connection.execute(delete(table).where(table.c.content_id.in_(numbers)))
    connection.execute(delete(content).where(content.c.id.in_(numbers)))
    return tuple(vectors)


def contents_without_asset(connection: Connection, most: int) -> list[int]:
    """Return up to ``most`` contents that no asset has any more, not even a deleted one."""
    named = exists().where(asset.c.content_id == content.c.id)
    return [int(number) for number in connection.execute(select(content.c.id).where(~named).limit(most)).scalars()]


def copied_among(connection: Connection, digests: Iterable[bytes | None]) -> set[bytes]:
    """Return which of these are the SHA-256 of contents of which an asset, deleted or not, has the copy."""
    wanted = sorted({digest for digest in digests if digest is not None})
    found: set[bytes] = set()
    for page in pages(wanted):
        query = select(content.c.sha256).join(asset, asset.c.content_id == content.c.id)
        found |= set(connection.execute(query.where(asset.c.copied, content.c.sha256.in_(page))).scalars())
    return found


def vectors_since(connection: Connection, change: int) -> tuple[NDArray[np.uint32], int]:
    """Return the rows of the vectors that were erased after ``change``, uint32 (n,), and the latest such change."""
    query = select(erased_vector.c.row, erased_vector.c.change).where(erased_vector.c.change > change)
    found = connection.execute(query).all()
    return np.array([row for row, _ in found], np.uint32), max((each for _, each in found), default=change)
