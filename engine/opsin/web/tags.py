"""/v1/tags: every tag in use, what goes with it, and its assets as a page that a site can show as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from opsin.library import AssetView, Order, Preview, Sort, TagCount, TagDetails, TagPage, Tile
from opsin.web.access import READ
from opsin.web.assets import Limit, Where
from opsin.web.caching import known_or
from opsin.web.problems import problem_responses
from opsin.web.service import Service

_PROBLEMS = problem_responses(401, 403)
_PROBLEMS_OF_TAG = problem_responses(400, 401, 403, 404)
_CACHE = "private, max-age=60"
_WIDTHS = (256, 512, 1024)
_WHICH = "Name previews of this width instead of 256, 512 and 1024; may be repeated."
Widths = FromQuery[
    Annotated[
        list[Annotated[int, msgspec.Meta(ge=16, le=4096)]] | None, QueryParameter(max_items=16, description=_WHICH)
    ]
]


class Tags(msgspec.Struct, frozen=True):
    """Every tag in use with the number of its assets, most frequent first."""

    tags: Sequence[TagCount]


class TagsController(Controller):
    """Tags."""

    path = "/v1/tags"
    tags = ["tags"]  # noqa: RUF012
    opt = READ

    @get(responses=_PROBLEMS)
    async def counts(self, service: NamedDependency[Service]) -> Tags:
        """Count the assets of every tag."""
        return Tags(await service.run(service.library.tags))

    @get("/{tag:str}", responses=_PROBLEMS_OF_TAG)
    async def details(
        self,
        service: NamedDependency[Service],
        tag: FromPath[str],
        limit: FromQuery[Annotated[int, QueryParameter(ge=0, le=1000)]] = 20,
    ) -> TagDetails:
        """Count the assets of one tag, and the tags that most of them carry, too."""
        return await service.run(lambda: service.library.tag_details(tag, limit=limit))

    @get("/{tag:str}/assets", responses=_PROBLEMS_OF_TAG)
    async def assets(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        tag: FromPath[str],
        where: Where = None,
        sort: FromQuery[Sort] = "added",
        order: FromQuery[Order] = "desc",
        limit: Limit = 50,
        cursor: FromQuery[str | None] = None,
        width: Widths = None,
    ) -> Response[TagPage]:
        """List the pictures with a tag, newest first, with all that a page needs to show them.

        `width` may be repeated: previews of these widths are named instead of 256, 512 and 1024.
        """
        found = await service.run(
            lambda: _page(service, tag, sorted({*(width or _WIDTHS)}), where or [], sort, order, limit, cursor)
        )
        return known_or(request, hashlib.sha256(msgspec.json.encode(found)).hexdigest()[:16], found, cache=_CACHE)


def _page(
    service: Service,
    tag: str,
    widths: list[int],
    where: list[str],
    sort: Sort,
    order: Order,
    limit: int,
    cursor: str | None,
) -> TagPage:
    """Return a page of the assets with a tag."""
    details = service.library.tag_details(tag, limit=0)
    chosen = [f"tag={details.label}", *where]
    page = service.library.page(where=chosen, sort=sort, order=order, limit=limit, cursor=cursor)
    return TagPage(
        label=details.label,
        name=details.name,
        assets=[_tile(each, details.label, widths) for each in page.assets],
        cursor=page.cursor,
        total=page.total,
    )


def _tile(view: AssetView, label: str, widths: list[int]) -> Tile:
    at = f"/v1/assets/{view.id}"
    return Tile(
        id=view.id,
        public_id=view.public_id,
        name=view.name,
        caption=view.caption,
        text=view.caption or view.name,
        owner=view.owner,
        width=view.width,
        height=view.height,
        taken_at=view.taken_at,
        added_at=view.added_at,
        score=next((tag.score for tag in view.tags if tag.label == label), 0.0),
        previews=_previews(at, view.width, view.height, widths),
        original=f"{at}/original",
    )


def _previews(at: str, width: int, height: int, widths: list[int]) -> list[Preview]:
    """Return the previews of these widths, each size once; a preview is never larger than its picture."""
    found: dict[tuple[int, int], Preview] = {}
    for asked in widths:
        scale = min(1.0, asked / width, asked / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        found.setdefault(size, Preview(url=f"{at}/preview?width={asked}", width=size[0], height=size[1]))
    return list(found.values())
