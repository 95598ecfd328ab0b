"""/v1/search: finding assets by words, pictures and assets, each with a weight."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter

from opsin.errors import UsageError
from opsin.services.given import upload_of_uri
from opsin.services.search import Page, Part
from opsin.web.access import READ
from opsin.web.assets import Limit, Where
from opsin.web.bodies import address_of
from opsin.web.problems import problem_responses
from opsin.web.service import Service

Weight = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_PROBLEMS = problem_responses(400, 401, 403, 404)


class SearchPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of ``text``, ``image`` (a data URI), ``url`` and ``asset`` (an id). A negative weight pushes away."""

    text: str | None = None
    image: str | None = None
    url: str | None = None
    asset: UUID | None = None
    weight: Weight = 1.0

    def part(self) -> Part:
        """Return what the library looks for.

        :raises UsageError: where it is not exactly one of the four.
        """
        if sum(each is not None for each in (self.text, self.image, self.url, self.asset)) != 1:
            raise UsageError("each part is one of text, image, url and asset")
        if self.url is not None:
            return Part("picture", address_of(self.url), self.weight)
        if self.text is not None:
            return Part("text", self.text, self.weight)
        if self.asset is not None:
            return Part("asset", str(self.asset), self.weight)
        return Part("picture", upload_of_uri(self.image or "").data, self.weight)


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to search for. ``everything`` shows also what the cut-off holds for no match.

    ``hybrid`` finds also by names, captions and tags; ``explain`` says where the place of each hit comes from.
    """

    parts: Annotated[list[SearchPart], msgspec.Meta(min_length=1, max_length=100)]
    where: list[str] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    cursor: str | None = None
    everything: bool = False
    hybrid: bool = False
    explain: bool = False


class SearchController(Controller):
    """Search."""

    path = "/v1/search"
    tags = ["search"]  # noqa: RUF012
    opt = READ

    @post(status_code=200, responses=problem_responses(400, 401, 403, 404, 413, 422, 503))
    async def search(self, service: NamedDependency[Service], data: JSONBody[SearchRequest]) -> Page:
        """Find assets by any weighted mix of words, pictures and assets."""
        parts = [each.part() for each in data.parts]
        run = service.run_pictures if any(part.kind == "picture" for part in parts) else service.run
        return await run(
            lambda: service.library.find(
                parts,
                where=data.where,
                limit=data.limit,
                cursor=data.cursor,
                everything=data.everything,
                hybrid=data.hybrid,
                explain=data.explain,
            )
        )

    @get(responses=_PROBLEMS)
    async def search_words(
        self,
        service: NamedDependency[Service],
        q: FromQuery[Annotated[str, QueryParameter(min_length=1)]],
        where: Where = None,
        limit: Limit = 20,
        cursor: FromQuery[str | None] = None,
        everything: FromQuery[bool] = False,
        hybrid: FromQuery[bool] = False,
        explain: FromQuery[bool] = False,
    ) -> Page:
        """Find assets by words."""
        parts = [Part("text", q)]
        return await service.run(
            lambda: service.library.find(
                parts,
                where=where or (),
                limit=limit,
                cursor=cursor,
                everything=everything,
                hybrid=hybrid,
                explain=explain,
            )
        )
