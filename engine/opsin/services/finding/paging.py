"""Pages of assets in an order: a cursor says behind which asset the next page begins, so that what comes meanwhile shifts nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from pyroaring import BitMap
from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.tables import asset, content
from opsin.errors import UsageError
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import Condition, rows_matching
from opsin.services.finding.views import AssetView, view_assets

Sort = Literal["added", "updated", "name", "taken"]
Order = Literal["asc", "desc"]
MOST = 1000
"""Assets of one page."""
_SCAN = 5000
_KEYS: dict[Sort, ColumnElement[Any]] = {
    "added": asset.c.row,
    "updated": asset.c.updated_at,
    "name": asset.c.name,
    "taken": func.coalesce(content.c.taken_at, ""),
}


class AssetPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of ``total`` assets, in order. ``cursor`` continues, None at the end."""

    assets: list[AssetView]
    cursor: str | None
    total: int


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """The end of a page: which list it was, the key of its last asset, and that asset's row."""

    of: str
    key: str | Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    row: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


def page(
    workspace: Workspace,
    where: Sequence[Condition],
    *,
    sort: Sort = "added",
    order: Order = "asc",
    limit: int = 50,
    after: AssetRow | None = None,
    cursor: str | None = None,
) -> AssetPage:
    """Return a page of the assets that meet all conditions, behind ``after``, or where ``cursor`` says.

    What has no time at which it was taken counts as the earliest.

    :raises UsageError: for another order, a limit outside 1..1000, or a cursor of another list.
    """
    checked.whole(limit, "limit", 1, MOST)
    if sort not in get_args(Sort) or order not in get_args(Order):
        msg = f"sort by {', '.join(get_args(Sort))}, asc or desc, not by {sort!r}, {order!r}"
        raise UsageError(msg)
    of = hashlib.sha256(msgspec.json.encode((where, sort, order))).hexdigest()[:8]
    begin = None if after is None else _Place(of, _key(after, sort), after.row)
    begin = begin if cursor is None else _read(cursor, of)
    chosen = rows_matching(workspace, where)
    with workspace.catalogue.read() as connection:
        found = _next(connection, chosen, sort, order, limit + 1, begin)
        rows = assets.by_rows(connection, [row for row, _ in found[:limit]])
    shown = view_assets(workspace, [rows[row] for row, _ in found[:limit] if row in rows])
    last = found[limit - 1] if len(found) > limit else None
    return AssetPage(assets=shown, cursor=None if last is None else _write(of, last), total=len(chosen))


def _key(row: AssetRow, sort: Sort) -> str | int:
    keys: dict[Sort, str | int] = {"added": row.row, "updated": row.updated_at, "name": row.name}
    return keys.get(sort, row.taken_at or "")


def _next(
    connection: Connection, chosen: BitMap, sort: Sort, order: Order, wanted: int, begin: _Place | None
) -> list[tuple[int, Any]]:
    """Return row and key of the next ``wanted`` of the ``chosen`` assets behind ``begin``."""
    if sort == "added":
        if order == "asc":
            first = chosen.rank(begin.row) if begin is not None else 0
            return [(row, row) for row in chosen[first : first + wanted]]
        end = chosen.rank(begin.row) - (begin.row in chosen) if begin is not None else len(chosen)
        return [(row, row) for row in reversed(chosen[max(0, end - wanted) : end])]
    key = _KEYS[sort]
    found: list[tuple[int, Any]] = []
    place = None if begin is None else (begin.key, begin.row)
    while len(found) < wanted:
        query = select(asset.c.row, key).join(content, content.c.id == asset.c.content_id)
        if place is not None:
            here = tuple_(key, asset.c.row)
            query = query.where(here > tuple_(*place) if order == "asc" else here < tuple_(*place))
        if len(chosen) <= _SCAN:
            query = query.where(asset.c.row.in_(list(chosen)))
        ways = (key.asc(), asset.c.row.asc()) if order == "asc" else (key.desc(), asset.c.row.desc())
        rows = connection.execute(query.order_by(*ways).limit(max(wanted, _SCAN))).all()
        found += [(row, value) for row, value in rows if row in chosen]
        if len(rows) < max(wanted, _SCAN):
            break
        place = rows[-1][1], rows[-1][0]
    return found[:wanted]


def _write(of: str, last: tuple[int, Any]) -> str:
    place = msgspec.json.encode(_Place(of, last[1], last[0]))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _read(cursor: str, of: str) -> _Place:
    checked.text(cursor, "cursor")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Place)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        place = None
    if place is None or place.of != of:
        raise UsageError("this is no cursor, or one that belongs to another list: begin again without it")
    return place
