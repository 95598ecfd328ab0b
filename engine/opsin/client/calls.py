"""The calls of a client: one function an operation, with the options and answers of the library's method of that name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import httpx
import msgspec

from opsin.client.call import Call, Flow, Item, as_kind, in_field
from opsin.client.pictures import Example, in_json, part_of
from opsin.library import AssetView, Explanation, Facet, Hit, Labelled, Page, Part, TagCount
from opsin.settings import Settings

_PAGE = 200
"""Assets that are asked for at once."""


def version() -> Call[Mapping[str, str]]:
    """Return which Opsin the service is, the version of its API, and the encoder of its library."""
    return Call(method="GET", path="/v1/version", read=as_kind(dict[str, str]))


def get(asset: str) -> Call[AssetView]:
    """Return one asset, named by its id.

    :raises UnknownName: where there is none.
    """
    return Call(method="GET", path=_asset(asset), read=as_kind(AssetView))


def list_assets(*, where: Sequence[str] = (), limit: int | None = None, after: str | None = None) -> Flow[AssetView]:
    """Yield assets in the order in which they were added, those after the asset ``after`` if one is given."""
    left, cursor = limit, None
    while left is None or left > 0:
        params = {"where": list(where), "limit": _PAGE if left is None else min(left, _PAGE)}
        params |= {"cursor": cursor} if cursor is not None else {} if after is None else {"after": after}
        page = yield Call(method="GET", path="/v1/assets", params=params, read=as_kind(_AssetPage))
        yield from map(Item, page.assets)
        left = None if left is None else left - len(page.assets)
        cursor = page.cursor
        if cursor is None:
            return


def search(
    text: str | None = None,
    *,
    like: Sequence[Example] = (),
    without: Sequence[str] = (),
    where: Sequence[str] = (),
    limit: int = 20,
    cursor: str | None = None,
    everything: bool = False,
    hybrid: bool = False,
    explain: bool = False,
    facets: Sequence[Facet] = (),
) -> Call[Page]:
    """Find assets by what they show, as :meth:`opsin.Library.search` does."""
    words = [] if text is None else [Part("text", text)]
    away = [Part("text", each, -0.5) for each in without]
    settings = Settings()
    parts = [*words, *(part_of(each, settings) for each in like), *away]
    return find(
        parts,
        where=where,
        limit=limit,
        cursor=cursor,
        everything=everything,
        hybrid=hybrid,
        explain=explain,
        facets=facets,
    )


def find(
    parts: Sequence[Part],
    *,
    where: Sequence[str] = (),
    limit: int = 20,
    cursor: str | None = None,
    everything: bool = False,
    hybrid: bool = False,
    explain: bool = False,
    facets: Sequence[Facet] = (),
) -> Call[Page]:
    """Find assets by any weighted mix of texts, pictures, assets and vectors; see :meth:`search`."""
    asked = {
        "parts": [in_json(part) for part in parts],
        "where": list(where),
        "limit": limit,
        "cursor": cursor,
        "everything": everything,
        "hybrid": hybrid,
        "explain": explain,
        "facets": list(facets),
    }
    return Call(method="POST", path="/v1/search", json=asked, read=as_kind(Page))


def similar(asset: str, *, limit: int = 10) -> Call[tuple[Hit, ...]]:
    """Return the assets that look most like ``asset``, best first, itself left out."""
    return Call(
        method="GET",
        path=f"{_asset(asset)}/similar",
        params={"limit": limit},
        read=in_field("hits", tuple[Hit, ...]),
    )


def tags() -> Call[Sequence[TagCount]]:
    """Return every tag in use with the number of its assets, most frequent first."""
    return Call(method="GET", path="/v1/tags", read=in_field("tags", list[TagCount]))


def tag(asset: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Call[Labelled]:
    """Attach and remove tags as a person: this outlives every re-analysis."""
    changes = {"add": list(add), "remove": list(remove)}
    return Call(method="PATCH", path=f"{_asset(asset)}/tags", json=changes, read=as_kind(Labelled), changes=True)


def explain(asset: str, label: str) -> Call[Explanation]:
    """Return why ``asset`` carries the tag ``label``, or does not."""
    return Call(method="GET", path=f"{_asset(asset)}/explain", params={"label": label}, read=as_kind(Explanation))


def original(asset: str) -> Call[bytes]:
    """Return the bytes of the picture.

    :raises SourceUnavailable: where it cannot be read any more, or holds another picture by now.
    """
    return Call(method="GET", path=f"{_asset(asset)}/original", read=_bytes)


def preview(asset: str, *, width: int = 512) -> Call[bytes]:
    """Return a WebP preview at most ``width`` pixels wide, without any metadata."""
    return Call(method="GET", path=f"{_asset(asset)}/preview", params={"width": width}, read=_bytes)


class _AssetPage(msgspec.Struct, frozen=True):
    assets: list[AssetView]
    cursor: str | None


def _bytes(response: httpx.Response) -> bytes:
    return response.content


def _asset(asset: str) -> str:
    return f"/v1/assets/{quote(asset, safe='')}"
