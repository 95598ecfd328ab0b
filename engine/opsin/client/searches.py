"""The calls of `client.searches`: as those of `library.searches`."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import msgspec

from opsin.client.call import Call, Flow, Item, address, as_kind
from opsin.client.calls import parts_of
from opsin.client.pictures import Example, in_json
from opsin.library import Page, Part, SavedSearch
from opsin.services.finding.query import check

_PAGE = 200
"""Searches that are asked for at once."""


class _Page(msgspec.Struct, frozen=True):
    searches: list[SavedSearch]
    cursor: str | None


def create(
    text: str | None = None,
    *,
    like: Sequence[Example] = (),
    without: Sequence[str] = (),
    where: Sequence[str] = (),
    cutoff: float = 0.5,
    name: str = "",
) -> Call[SavedSearch]:
    """Keep a search, as :meth:`search` would make it; ``cutoff`` is the score that matches, 0..1."""
    return save(parts_of(text, like, without), where=where, cutoff=cutoff, name=name)


def save(parts: Sequence[Part], *, where: Sequence[str] = (), cutoff: float = 0.5, name: str = "") -> Call[SavedSearch]:
    """Keep a search of any weighted mix of texts, pictures and assets."""
    check(parts)
    fields = {"parts": [in_json(part) for part in parts], "where": list(where), "cutoff": cutoff, "name": name}
    return Call(method="POST", path="/v1/searches", json=fields, read=as_kind(SavedSearch), changes=True)


def list_searches(*, limit: int | None = None, after: str | None = None) -> Flow[SavedSearch]:
    """Yield the saved searches, oldest first, those behind the one of the id ``after`` if one is given."""
    left = limit
    while left is None or left > 0:
        params = {"limit": _PAGE if left is None else min(left, _PAGE)} | ({} if after is None else {"cursor": after})
        page = yield Call(method="GET", path="/v1/searches", params=params, read=as_kind(_Page))
        yield from map(Item, page.searches)
        left, after = None if left is None else left - len(page.searches), page.cursor
        if after is None:
            return


def get(search: str) -> Call[SavedSearch]:
    """Return one saved search.

    :raises UnknownName: where there is none of this id.
    """
    return Call(method="GET", path=_place(search), read=as_kind(SavedSearch))


def change(
    search: str,
    *,
    parts: Sequence[Part] | None = None,
    where: Sequence[str] | None = None,
    cutoff: float | None = None,
    name: str | None = None,
) -> Call[SavedSearch]:
    """Change a saved search; what is None stays."""
    fields = {
        "parts": None if parts is None else [in_json(part) for part in parts],
        "where": None if where is None else list(where),
        "cutoff": cutoff,
        "name": name,
    }
    return Call(method="PATCH", path=_place(search), json=fields, read=as_kind(SavedSearch), changes=True)


def delete(search: str) -> Call[None]:
    """Forget a saved search."""
    return Call(method="DELETE", path=_place(search), read=_nothing, changes=True)


def run(search: str, *, limit: int = 20, cursor: str | None = None) -> Call[Page]:
    """Return what a saved search finds by now, best first."""
    params = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
    return Call(method="GET", path=f"{_place(search)}/hits", params=params, read=as_kind(Page))


def _nothing(_response: httpx.Response) -> None:
    return None


def _place(search: str) -> str:
    return address("searches", search)
