"""Facets: how the assets that a search finds are spread over tags, owners, formats and years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
from pyroaring import BitMap
from sqlalchemy import ColumnElement, Connection, func, select

from opsin.catalogue import sqlite
from opsin.catalogue.tables import asset, content
from opsin.errors import UsageError
from opsin.services.base.tagging import all_rows
from opsin.services.base.workspace import Workspace

Facet = Literal["tag", "owner", "format", "taken"]
MOST = 50
"""Values of one facet: the most frequent ones."""
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "owner": asset.c.owner,
    "format": content.c.format,
    "taken": func.substr(content.c.taken_at, 1, 4),
}


class FacetCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many assets have a value, which a condition can ask for; ``name`` is its readable name."""

    value: str
    name: str
    count: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """The most frequent values of each facet among ``counted`` assets; ``complete``: these are all that the search finds."""

    counted: int
    complete: bool
    fields: Mapping[Facet, Sequence[FacetCount]]


def validate(fields: Sequence[str]) -> None:
    """Check names of facets.

    :raises UsageError: naming those that there are.
    """
    for field in fields:
        if field not in get_args(Facet):
            msg = f"{field!r} is no facet: there are {', '.join(get_args(Facet))}"
            raise UsageError(msg)


def count(workspace: Workspace, rows: BitMap, fields: Sequence[Facet], *, complete: bool) -> Facets:
    """Count these assets by each of ``fields``; an asset has any number of tags, and what has no owner counts nowhere."""
    found: dict[Facet, Sequence[FacetCount]] = {}
    for field in dict.fromkeys(fields):
        if field == "tag":
            found[field] = _tags(workspace, rows)
        else:
            with workspace.catalogue.read() as connection:
                found[field] = _values(connection, rows, field)
    return Facets(counted=len(rows), complete=complete, fields=found)


def _tags(workspace: Workspace, rows: BitMap) -> list[FacetCount]:
    labels = workspace.meaning.labels
    counts = [(label, mine.intersection_cardinality(rows)) for label, mine in all_rows(workspace).items()]
    best = sorted((entry for entry in counts if entry[1]), key=lambda entry: (-entry[1], entry[0]))[:MOST]
    return [
        FacetCount(value=label, name=labels[label].text if label in labels else label, count=n) for label, n in best
    ]


def _values(connection: Connection, rows: BitMap, field: str) -> list[FacetCount]:
    column = _COLUMNS[field].label("value")
    total = func.count().label("total")
    query = select(column, total).join_from(asset, content, content.c.id == asset.c.content_id)
    query = query.where(sqlite.one_of(asset.c.row, rows), _COLUMNS[field].is_not(None))
    best = connection.execute(query.group_by(column).order_by(total.desc(), column).limit(MOST))
    return [FacetCount(value=str(value), name=str(value), count=int(n)) for value, n in best]
