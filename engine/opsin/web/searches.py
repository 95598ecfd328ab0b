"""/v1/searches: saved searches, which new pictures are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from opsin.services.finding.query import LEAST, Part
from opsin.services.finding.search import Page
from opsin.services.telling.searches import SavedSearch
from opsin.web.access import READ, WRITE
from opsin.web.assets import Limit
from opsin.web.problems import problem_responses
from opsin.web.queries import SearchPart
from opsin.web.service import Service

_PROBLEMS = problem_responses(400, 401, 403, 404)
_PROBLEMS_OF_QUERIES = problem_responses(400, 401, 403, 404, 422, body=True)
Parts = Annotated[list[SearchPart], msgspec.Meta(min_length=1, max_length=100)]
Cutoff = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class SearchFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for among new pictures. ``cutoff`` is the score from which on one matches; 0 takes all."""

    parts: Parts
    where: list[str] = []
    cutoff: Cutoff = LEAST
    name: Name = ""


class SearchChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change; what is left out or null stays."""

    parts: Parts | None = None
    where: list[str] | None = None
    cutoff: Cutoff | None = None
    name: Name | None = None


class SearchList(msgspec.Struct, frozen=True):
    """Saved searches, oldest first; ``cursor`` continues, null at the end."""

    searches: Sequence[SavedSearch]
    cursor: str | None


class SearchesController(Controller):
    """Saved searches."""

    path = "/v1/searches"
    tags = ["searches"]  # noqa: RUF012
    opt = READ

    @post(opt=WRITE, responses=_PROBLEMS_OF_QUERIES)
    async def create(self, service: NamedDependency[Service], data: JSONBody[SearchFields]) -> Response[SavedSearch]:
        """Keep a search: webhooks are told of each new picture that matches it (``search.matched``)."""
        parts = _parts(data.parts)
        made = await service.run_pictures(
            lambda: service.library.searches.save(parts, where=data.where, cutoff=data.cutoff, name=data.name)
        )
        return Response(made, headers={"Location": f"/v1/searches/{made.id}"})

    @get(responses=_PROBLEMS)
    async def list(
        self, service: NamedDependency[Service], limit: Limit = 100, cursor: FromQuery[UUID | None] = None
    ) -> SearchList:
        """List saved searches."""
        after = None if cursor is None else str(cursor)
        found = await service.run(lambda: service.library.searches.list(limit=limit + 1, after=after))
        return SearchList(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @get("/{search_id:uuid}", responses=_PROBLEMS)
    async def show(self, service: NamedDependency[Service], search_id: FromPath[UUID]) -> SavedSearch:
        """Show one saved search."""
        return await service.run(lambda: service.library.searches.get(str(search_id)))

    @patch("/{search_id:uuid}", opt=WRITE, responses=_PROBLEMS_OF_QUERIES)
    async def change(
        self, service: NamedDependency[Service], search_id: FromPath[UUID], data: JSONBody[SearchChanges]
    ) -> SavedSearch:
        """Change a saved search."""
        parts = None if data.parts is None else _parts(data.parts)
        return await service.run_pictures(
            lambda: service.library.searches.change(
                str(search_id), parts=parts, where=data.where, cutoff=data.cutoff, name=data.name
            )
        )

    @delete("/{search_id:uuid}", opt=WRITE, responses=_PROBLEMS)
    async def delete(self, service: NamedDependency[Service], search_id: FromPath[UUID]) -> None:
        """Delete a saved search."""
        await service.run(lambda: service.library.searches.delete(str(search_id)))

    @get("/{search_id:uuid}/hits", responses=problem_responses(400, 401, 403, 404, 409))
    async def hits(
        self,
        service: NamedDependency[Service],
        search_id: FromPath[UUID],
        limit: Limit = 20,
        cursor: FromQuery[Annotated[str | None, QueryParameter()]] = None,
    ) -> Page:
        """Find what is there by now that matches a saved search."""
        return await service.run(lambda: service.library.searches.run(str(search_id), limit=limit, cursor=cursor))


def _parts(given: Sequence[SearchPart]) -> tuple[Part, ...]:
    return tuple(each.part() for each in given)
