"""/v1/assets: adding pictures, and listing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, FromQuery, QueryParameter

from opsin.library import Added, AddStatus, AssetPage, AssetView, Job, Order, Sort
from opsin.web.access import READ, WRITE
from opsin.web.admission import PICTURES
from opsin.web.asked import asked_of
from opsin.web.bodies import PicturesOperation, read_pictures
from opsin.web.caching import known_or
from opsin.web.jobs import accepted
from opsin.web.problems import ProblemDetails, of_picture, problem_responses, raise_alone
from opsin.web.service import Service

Limit = FromQuery[Annotated[int, QueryParameter(ge=1, le=1000)]]
Where = FromQuery[list[str] | None]
After = FromQuery[Annotated[UUID | None, QueryParameter(description="Begin behind the asset of this id.")]]
Name = FromQuery[
    Annotated[
        str, QueryParameter(description="An id or its beginning, a public id, a path, an address, or a file's name.")
    ]
]
_NEW = frozenset({"added", "known"})
_PROBLEMS = problem_responses(400, 401, 403, 404)


class AddFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of pictures that are added."""

    owner: str | None = None
    tags: tuple[str, ...] = ()
    caption: str | None = None
    context: dict[str, Any] | None = None
    auto_tag: float | None = None
    categorizers: tuple[str, ...] = ()
    public_id: str | None = None
    overwrite: bool = True
    wait: bool = True


@dataclass
class AddOperation(PicturesOperation):
    """As for all pictures, with what may be said of those that are added."""

    def fields(self) -> Mapping[str, Schema]:
        text = Schema(type=OpenAPIType.STRING)
        name = Schema(type=OpenAPIType.STRING, description="A name of yours, which no other asset has")
        whose = Schema(type=OpenAPIType.STRING, description="Whose the pictures are")
        caption = Schema(
            type=OpenAPIType.STRING, description="What somebody says of the pictures; hybrid searches read it"
        )
        tags = Schema(type=OpenAPIType.ARRAY, items=text, description="Tags that a person gives, for good")
        return {
            **super().fields(),
            "owner": whose,
            "caption": caption,
            "tags": tags,
            "public_id": name,
            "overwrite": Schema(type=OpenAPIType.BOOLEAN, description="Whether what has this public_id becomes this"),
            "wait": Schema(
                type=OpenAPIType.BOOLEAN, description="Whether to answer when all is done, else at once with a job"
            ),
            "context": Schema(type=OpenAPIType.OBJECT, description="Anything of yours; in a form, as JSON"),
        }


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one picture. ``known``: a new name for bytes that were here; ``unchanged``: nothing is new.

    ``copied``: nothing is new but the copy, which was missing or damaged.
    ``failed_reports``: the categorizers that failed on a picture that was added, with the reason; they are asked again.
    """

    name: str
    status: AddStatus
    asset: AssetView | None = None
    failed_reports: dict[str, str] = {}
    problem: ProblemDetails | None = None


class StoredPictures(msgspec.Struct, frozen=True):
    """One entry for each picture, in order."""

    results: list[Stored]


_ANSWERS = {
    201: ResponseSpec(StoredPictures, description="Something was added", generate_examples=False),
    200: ResponseSpec(StoredPictures, description="Nothing was new", generate_examples=False),
    202: ResponseSpec(Job, description="With `wait=false`: a job adds the pictures", generate_examples=False),
}


class AssetsController(Controller):
    """Assets."""

    path = "/v1/assets"
    tags = ["assets"]  # noqa: RUF012
    opt = READ

    @post(
        opt=WRITE | PICTURES,
        operation_class=AddOperation,
        responses=_ANSWERS | problem_responses(400, 401, 403, 404, 409, 422, body=True),
    )
    async def add(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service]
    ) -> Response[StoredPictures] | Response[Job]:
        """Add pictures: each is durable and searchable when this answers; 200 where nothing was new.

        One picture that cannot be added is a problem; of several, each has its own. With `wait=false` the bytes are
        durable when this answers 202, and a job adds the pictures; its result says what became of each.
        """
        pictures, fields = await read_pictures(request, service.settings, AddFields)
        said = {name: getattr(fields, name) for name in AddFields.__struct_fields__ if name != "wait"}
        if not fields.wait:
            return accepted(await service.run_pictures(lambda: service.library.jobs.add(*pictures, **said)))
        added = await service.run_pictures(lambda: service.library.add(*pictures, **said))
        raise_alone([each.problem for each in added])
        asked_of(request.scope).keep = all(each.problem is None for each in added)
        results = [_stored(each) for each in added]
        new = any(each.status in _NEW for each in results)
        (alone, *others) = results
        place = {"Location": f"/v1/assets/{alone.asset.id}"} if new and alone.asset is not None and not others else {}
        return Response(StoredPictures(results), status_code=201 if new else 200, headers=place)

    @get(responses=_PROBLEMS)
    async def list(
        self,
        service: NamedDependency[Service],
        where: Where = None,
        sort: FromQuery[Sort] = "added",
        order: FromQuery[Order] = "asc",
        limit: Limit = 50,
        after: After = None,
        cursor: FromQuery[str | None] = None,
    ) -> AssetPage:
        """List assets that meet all conditions, such as `tag=dog|cat`, `owner=ann` or `width>=800`.

        `cursor` continues a list with the same conditions and order; `after` begins behind an asset.
        """
        begin = None if after is None else str(after)
        return await service.run(
            lambda: service.library.page(
                where=where or (), sort=sort, order=order, limit=limit, after=begin, cursor=cursor
            )
        )

    @get("/named", responses=_PROBLEMS)
    async def meant(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], name: Name
    ) -> Response[AssetView]:
        """Show the asset that a name means, as on the command line: an id or its beginning, a public id, a path, an address, or a file's name."""
        return await shown(request, service, lambda: service.library.get(name))

    @get("/by-public-id/{public_id:path}", responses=_PROBLEMS)
    async def named(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], public_id: FromPath[str]
    ) -> Response[AssetView]:
        """Show the asset of a public id."""
        return await shown(request, service, lambda: service.library.called(public_id.removeprefix("/")))


async def shown(
    request: Request[Any, Any, Any], service: Service, find: Callable[[], AssetView]
) -> Response[AssetView]:
    """Answer with an asset, or that the caller has it as it is."""
    asset = await service.run(find)
    return known_or(request, service.library.etag(asset), asset)


def _stored(added: Added) -> Stored:
    return Stored(
        name=added.source,
        status=added.status,
        asset=added.asset,
        failed_reports=dict(added.failed_reports),
        problem=None if added.problem is None else of_picture(added.problem),
    )
