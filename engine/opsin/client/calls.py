"""The calls of a client: one function an operation, with the options and answers of the library's method of that name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Unpack

import httpx

from opsin.client.call import Call, Flow, Item, address, as_kind, in_field, only_where
from opsin.client.pictures import Example, in_json, part_of
from opsin.intake.wire import PreviewForm
from opsin.library import (
    Alike,
    AssetPage,
    AssetView,
    Colour,
    Deleted,
    Edits,
    Explanation,
    Facet,
    Group,
    Hit,
    Labelled,
    Order,
    Page,
    Part,
    PluginView,
    Sort,
    TagCount,
    TagDetails,
    TagPage,
)
from opsin.model import Report
from opsin.plugin import EncoderCard
from opsin.services.base import checked
from opsin.services.finding.query import check
from opsin.settings import Settings

_PAGE = 200
"""Assets that are asked for at once."""


def get(asset: str) -> Call[AssetView]:
    """Return one asset, named as on the command line: by its id, a public id, a file's name and so on.

    :raises UnknownName: where there is none, or several.
    """
    return Call(method="GET", path="/v1/assets/named", params={"name": asset}, read=as_kind(AssetView))


def called(public_id: str) -> Call[AssetView]:
    """Return the asset that has this public id.

    :raises UnknownName: where there is none.
    """
    return Call(
        method="GET",
        path=address("assets", "by-public-id", *checked.text(public_id, "public_id").split("/")),
        read=as_kind(AssetView),
    )


def page(
    *,
    where: Sequence[str] = (),
    sort: Sort = "added",
    order: Order = "asc",
    limit: int = 50,
    after: str | None = None,
    cursor: str | None = None,
) -> Call[AssetPage]:
    """Return a page of assets, as :meth:`opsin.Library.page` does."""
    params: dict[str, Any] = {
        "where": list(checked.texts(where, "where")),
        "sort": sort,
        "order": order,
        "limit": limit,
    }
    params |= {name: value for name, value in (("after", after), ("cursor", cursor)) if value is not None}
    return Call(method="GET", path="/v1/assets", params=params, read=as_kind(AssetPage))


def list_assets(*, where: Sequence[str] = (), limit: int | None = None, after: str | None = None) -> Flow[AssetView]:
    """Yield assets in the order in which they were added, those after the asset ``after`` if one is given."""
    checked.texts(where, "where")
    left, cursor = None if limit is None else checked.whole(limit, "limit", 1), None
    while left is None or left > 0:
        params = {"where": list(where), "limit": _PAGE if left is None else min(left, _PAGE)}
        params |= {"cursor": cursor} if cursor is not None else {} if after is None else {"after": after}
        found = yield Call(method="GET", path="/v1/assets", params=params, read=as_kind(AssetPage))
        yield from map(Item, found.assets)
        left = None if left is None else left - len(found.assets)
        cursor = found.cursor
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
    return find(
        parts_of(text, like, without),
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
    check(parts)
    asked = {
        "parts": [in_json(part) for part in parts],
        "where": list(checked.texts(where, "where")),
        "limit": limit,
        "cursor": cursor,
        "everything": everything,
        "hybrid": hybrid,
        "explain": explain,
        "facets": list(facets),
    }
    return Call(method="POST", path="/v1/search", json=asked, read=as_kind(Page))


def parts_of(text: str | None, like: Sequence[Example], without: Sequence[str]) -> list[Part]:
    """Return the parts of a query: words, examples, and words that push away at half the weight."""
    words = [] if text is None else [Part("text", text)]
    settings = Settings()
    return [*words, *(part_of(each, settings) for each in like), *(Part("text", each, -0.5) for each in without)]


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


def tag_details(tag: str, *, limit: int = 20) -> Call[TagDetails]:
    """Return how many assets carry ``tag``, and up to ``limit`` tags that most of these carry, too."""
    return Call(method="GET", path=address("tags", tag), params={"limit": limit}, read=as_kind(TagDetails))


def tag_page(
    tag: str,
    *,
    where: Sequence[str] = (),
    sort: Sort = "added",
    order: Order = "desc",
    limit: int = 50,
    cursor: str | None = None,
    widths: Sequence[int] = (256, 512, 1024),
) -> Call[TagPage]:
    """Return a page of the pictures with a tag, newest first, with all that a site needs to show them.

    ``widths`` are those of the previews that are named; their addresses are relative to the service.
    """
    params: dict[str, Any] = {
        "where": list(checked.texts(where, "where")),
        "sort": sort,
        "order": order,
        "limit": limit,
        "width": list(widths),
    }
    params |= {} if cursor is None else {"cursor": cursor}
    return Call(method="GET", path=f"{address('tags', tag)}/assets", params=params, read=as_kind(TagPage))


def tag(asset: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Call[Labelled]:
    """Attach and remove tags as a person: this outlives every re-analysis."""
    changes = {"add": list(add), "remove": list(remove)}
    return Call(method="PATCH", path=f"{_asset(asset)}/tags", json=changes, read=as_kind(Labelled), changes=True)


def edit(
    asset: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    expected: Collection[str] | None = None,
    **edits: Unpack[Edits],
) -> Call[Labelled]:
    """Change what is said of an asset, all at once, as :meth:`opsin.Library.edit` does.

    :raises Outdated: where the ``ETag`` of the asset is none of those ``expected``.
    """
    changes = {**edits, "tags": {"add": list(add), "remove": list(remove)}}
    seen, read = only_where(expected), as_kind(Labelled)
    return Call(method="PATCH", path=_asset(asset), json=changes, headers=seen, read=read, changes=True)


def delete(asset: str, *, at_once: bool = False) -> Call[Deleted]:
    """Delete an asset; ``at_once``: it is erased now, and cannot be brought back."""
    params = {"now": at_once}
    return Call(method="DELETE", path=_asset(asset), params=params, read=as_kind(Deleted), changes=True)


def undelete(asset: str) -> Call[AssetView]:
    """Bring a deleted asset back, by its id; one that is there stays as it is."""
    return Call(method="POST", path=f"{_asset(asset)}/restore", read=as_kind(AssetView), changes=True)


def reports(asset: str) -> Call[Sequence[Report]]:
    """Return what each categorizer said of an asset's content."""
    return Call(method="GET", path=f"{_asset(asset)}/reports", read=in_field("reports", list[Report]))


def palette(asset: str) -> Call[Sequence[Colour]]:
    """Return the colours that a picture is made of, the largest share first."""
    return Call(method="GET", path=f"{_asset(asset)}/palette", read=in_field("colours", list[Colour]))


def duplicates_of(asset: str, *, threshold: float = 0.95, limit: int = 50) -> Call[Sequence[Alike]]:
    """Return the assets that look nearly the same as ``asset`` (cosine >= ``threshold``), the nearest first."""
    params = {"threshold": threshold, "limit": limit}
    return Call(
        method="GET", path=f"{_asset(asset)}/duplicates", params=params, read=in_field("duplicates", list[Alike])
    )


def duplicates(*, threshold: float = 0.95, limit: int = 1000) -> Flow[Group]:
    """Yield up to ``limit`` (1..1000) groups of assets that look nearly the same (cosine >= ``threshold``)."""
    params = {"threshold": threshold, "limit": limit}
    groups = yield Call(method="GET", path="/v1/duplicates", params=params, read=in_field("groups", list[Group]))
    yield from map(Item, groups)


def encoders() -> Call[Sequence[EncoderCard]]:
    """Return the encoders that the service's plugins offer."""
    return Call(method="GET", path="/v1/encoders", read=in_field("encoders", list[EncoderCard]))


def plugins() -> Call[Sequence[PluginView]]:
    """Return every plugin of the service, by name, and how its objects are by now."""
    return Call(method="GET", path="/v1/plugins", read=in_field("plugins", list[PluginView]))


def explain(asset: str, label: str) -> Call[Explanation]:
    """Return why ``asset`` carries the tag ``label``, or does not."""
    return Call(method="GET", path=f"{_asset(asset)}/explain", params={"label": label}, read=as_kind(Explanation))


def original(asset: str) -> Call[bytes]:
    """Return the bytes of the picture.

    :raises SourceUnavailable: where it cannot be read any more, or holds another picture by now.
    """
    return Call(method="GET", path=f"{_asset(asset)}/original", read=_bytes)


def preview(asset: str, *, width: int = 512, form: PreviewForm = "webp") -> Call[bytes]:
    """Return a preview (webp, jpeg or avif) at most ``width`` pixels wide, without any metadata."""
    params = {"width": width, "format": form}
    return Call(method="GET", path=f"{_asset(asset)}/preview", params=params, read=_bytes)


def _bytes(response: httpx.Response) -> bytes:
    return response.content


def _asset(asset: str) -> str:
    return address("assets", asset)
