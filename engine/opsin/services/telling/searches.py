"""Saved searches: queries that are kept, and that each new picture is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from opsin.catalogue import saved
from opsin.catalogue.ids import new_id, now
from opsin.catalogue.saved import SavedRow
from opsin.errors import LibraryError, UnknownName, UsageError
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import read
from opsin.services.finding.query import LEAST, Part, Query, check, query_vector
from opsin.services.finding.query import MOST as MOST_HITS
from opsin.services.finding.search import Page, search_by
from opsin.services.telling.matching import Matcher
from opsin.services.telling.saved_parts import SavedPart, encoded, parts_of, texts_of, told_of

MOST = 10_000
"""Saved searches of one library."""
_MOST_PARTS = 100
_LONGEST_NAME = 200
_LARGEST = 65_536
"""Bytes of the parts, and of the conditions, of one."""


class SavedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A query that is kept: what it looks for, the conditions, and the score (0..1) from which on a picture matches."""

    id: str
    name: str
    parts: tuple[SavedPart, ...]
    where: tuple[str, ...]
    cutoff: float
    created_at: str


def create(
    workspace: Workspace, parts: Sequence[Part], *, where: Sequence[str] = (), cutoff: float = LEAST, name: str = ""
) -> SavedSearch:
    """Keep a query, which new pictures are compared with from now on.

    :raises UsageError: for a query, a condition or a cut-off that makes no sense, or where there are too many.
    """
    words = ", ".join(str(part.value) for part in parts if part.kind == "text")
    row = SavedRow(
        id=new_id(),
        name=_name(name or words[:_LONGEST_NAME]),
        conditions=_conditions(workspace, where),
        cutoff=checked.share(cutoff, "cutoff"),
        created_at=now(),
        **_query(workspace, parts),
    )
    with workspace.part(Matcher).changing:
        with workspace.catalogue.write() as connection:
            if saved.count(connection) >= MOST:
                msg = f"a library has at most {MOST:,} saved searches: delete one that is not needed"
                raise UsageError(msg)
            saved.add(connection, row)
        workspace.part(Matcher).put(row)
    return _shown(row)


def every(workspace: Workspace, *, after: str | None = None, limit: int | None = None) -> list[SavedSearch]:
    """Return the saved searches behind the id ``after``, oldest first."""
    with workspace.catalogue.read() as connection:
        return [_shown(row) for row in saved.every(connection, after=after or "", limit=limit)]


def get(workspace: Workspace, identity: str) -> SavedSearch:
    """Return one saved search.

    :raises UnknownName: where there is none.
    """
    return _shown(_row(workspace, identity))


def change(
    workspace: Workspace,
    identity: str,
    *,
    parts: Sequence[Part] | None = None,
    where: Sequence[str] | None = None,
    cutoff: float | None = None,
    name: str | None = None,
) -> SavedSearch:
    """Change a saved search; what is None stays.

    :raises UnknownName: where there is none.
    :raises UsageError: as :func:`create`.
    """
    values: dict[str, Any] = {} if parts is None else dict(_query(workspace, parts))
    if where is not None:
        values["conditions"] = _conditions(workspace, where)
    if cutoff is not None:
        values["cutoff"] = checked.share(cutoff, "cutoff")
    if name is not None:
        values["name"] = _name(name)
    with workspace.part(Matcher).changing:
        row = msgspec.structs.replace(_row(workspace, identity), **values)
        if values:
            with workspace.catalogue.write() as connection:
                saved.change(connection, identity, **values)
            workspace.part(Matcher).put(row)
    return _shown(row)


def delete(workspace: Workspace, identity: str) -> None:
    """Forget a saved search.

    :raises UnknownName: where there is none.
    """
    with workspace.part(Matcher).changing:
        _row(workspace, identity)
        with workspace.catalogue.write() as connection:
            saved.drop(connection, identity)
        workspace.part(Matcher).drop(identity)


def run(workspace: Workspace, identity: str, *, limit: int = 20, cursor: str | None = None) -> Page:
    """Return the page of assets that a saved search finds by now, best first.

    :raises UnknownName: where there is none.
    :raises LibraryError: where a condition names what nobody knows any more.
    :raises UsageError: for a limit outside 1..1000 or a cursor of another query.
    """
    row = _row(workspace, identity)
    try:
        where = read(workspace, texts_of(row))
    except UnknownName as error:
        msg = f"this search matches nothing any more: {error}; change its conditions"
        raise LibraryError(msg) from error
    query = Query(
        parts=parts_of(row),
        where=where,
        limit=checked.whole(limit, "limit", 1, MOST_HITS),
        cursor=None if cursor is None else checked.text(cursor, "cursor"),
        least=row.cutoff,
    )
    return search_by(workspace, query, np.frombuffer(row.vector, "<f4"))


def _query(workspace: Workspace, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the columns of a query."""
    check(parts)
    if len(parts) > _MOST_PARTS:
        msg = f"a saved search has at most {_MOST_PARTS} parts"
        raise UsageError(msg)
    vector = query_vector(workspace, parts).astype("<f4").tobytes()
    return {"parts": _short(encoded(parts), "the query"), "vector": vector}


def _conditions(workspace: Workspace, where: Sequence[str]) -> str:
    read(workspace, where)
    return _short(msgspec.json.encode(list(where)), "where")


def _short(told: bytes, what: str) -> str:
    if len(told) > _LARGEST:
        msg = f"{what} of a saved search has at most {_LARGEST:,} bytes"
        raise UsageError(msg)
    return told.decode()


def _name(name: str) -> str:
    return checked.text(name, "the name of a saved search", _LONGEST_NAME)


def _row(workspace: Workspace, identity: str) -> SavedRow:
    with workspace.catalogue.read() as connection:
        row = saved.get(connection, checked.text(identity, "a saved search"))
    if row is None:
        msg = f"there is no saved search {identity[:100]!r}: `opsin searches list` shows their ids"
        raise UnknownName(msg)
    return row


def _shown(row: SavedRow) -> SavedSearch:
    return SavedSearch(
        id=row.id,
        name=row.name,
        parts=told_of(row),
        where=texts_of(row),
        cutoff=row.cutoff,
        created_at=row.created_at,
    )
