"""/v1/search: finding assets by words, pictures, assets and vectors, each with a weight."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from opsin.library import Facet, Page, Part
from opsin.services.finding.query import LONGEST_TEXT
from opsin.web.access import READ
from opsin.web.assets import Limit, Where
from opsin.web.problems import problem_responses
from opsin.web.queries import SearchOperation, SearchOptions, read_search
from opsin.web.service import Service

_PROBLEMS = problem_responses(400, 401, 403, 404)


class SearchController(Controller):
    """Search."""

    path = "/v1/search"
    tags = ["search"]  # noqa: RUF012
    opt = READ

    @post(
        status_code=200,
        operation_class=SearchOperation,
        responses=problem_responses(400, 401, 403, 404, 422, body=True),
    )
    async def search(self, request: Request[Any, Any, Any], service: NamedDependency[Service]) -> Page:
        """Find assets by any weighted mix of words, pictures, assets and vectors.

        It comes as JSON, or as a form with example pictures in `file`, and perhaps `text`.
        """
        parts, said = await read_search(request, service.settings)
        return await _found(service, parts, said)

    @get(responses=_PROBLEMS)
    async def search_words(
        self,
        service: NamedDependency[Service],
        q: FromQuery[Annotated[str, QueryParameter(min_length=1, max_length=LONGEST_TEXT)]],
        where: Where = None,
        limit: Limit = 20,
        cursor: FromQuery[str | None] = None,
        everything: FromQuery[bool] = False,
        hybrid: FromQuery[bool] = False,
        explain: FromQuery[bool] = False,
        facets: FromQuery[list[Facet] | None] = None,
    ) -> Page:
        """Find assets by words."""
        said = SearchOptions(
            where=where or [],
            limit=limit,
            cursor=cursor,
            everything=everything,
            hybrid=hybrid,
            explain=explain,
            facets=facets or [],
        )
        return await _found(service, [Part("text", q)], said)


async def _found(service: Service, parts: list[Part], said: SearchOptions) -> Page:
    run = service.run_pictures if any(part.kind == "picture" for part in parts) else service.run
    options = {name: getattr(said, name) for name in SearchOptions.__struct_fields__}
    return await run(lambda: service.library.find(parts, **options))
