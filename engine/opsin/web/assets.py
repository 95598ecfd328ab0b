"""/v1/assets: adding pictures, listing them, and what is known of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from opsin.services.commit import Added, AddStatus
from opsin.services.explain import Explanation
from opsin.services.people import Labelled
from opsin.services.search import Hit
from opsin.services.views import AssetView
from opsin.web.access import READ, WRITE
from opsin.web.bodies import PicturesOperation, read_pictures
from opsin.web.problems import ProblemDetails, of_picture, problem_responses, raise_alone
from opsin.web.service import Service

Limit = FromQuery[Annotated[int, QueryParameter(ge=1, le=1000)]]
Where = FromQuery[list[str] | None]
_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "tiff": "image/tiff"}
_TYPES |= {"bmp": "image/bmp", "avif": "image/avif", "heif": "image/heif"}
_NEW = frozenset({"added", "known"})
_PROBLEMS = problem_responses(400, 401, 403, 404)


class AddFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of pictures that are added."""

    owner: str | None = None
    tags: tuple[str, ...] = ()
    caption: str | None = None
    context: dict[str, Any] | None = None
    auto_tag: float | None = None


@dataclass
class AddOperation(PicturesOperation):
    """As for all pictures, with what may be said of those that are added."""

    def fields(self) -> Mapping[str, Schema]:
        text = Schema(type=OpenAPIType.STRING)
        return {
            **super().fields(),
            "owner": text,
            "caption": text,
            "tags": Schema(type=OpenAPIType.ARRAY, items=text),
            "context": Schema(type=OpenAPIType.OBJECT, description="Anything of yours; in a form, as JSON"),
        }


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one picture. ``known``: a new name for bytes that were here; ``unchanged``: nothing is new."""

    name: str
    status: AddStatus
    asset: AssetView | None = None
    problem: ProblemDetails | None = None


class StoredPictures(msgspec.Struct, frozen=True):
    """One entry for each picture, in order."""

    results: list[Stored]


_NOTHING_NEW = {200: ResponseSpec(StoredPictures, description="Nothing was new", generate_examples=False)}


class AssetPage(msgspec.Struct, frozen=True):
    """Assets in the order in which they were added; ``cursor`` continues, null at the end."""

    assets: list[AssetView]
    cursor: str | None


class TagChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tags that a person attaches and takes away, for good."""

    add: list[str] = []
    remove: list[str] = []


class Similar(msgspec.Struct, frozen=True):
    """What looks alike, best first."""

    hits: tuple[Hit, ...]


class AssetsController(Controller):
    """Assets."""

    path = "/v1/assets"
    tags = ["assets"]  # noqa: RUF012
    opt = READ

    @post(
        opt=WRITE,
        operation_class=AddOperation,
        responses=_NOTHING_NEW | problem_responses(400, 401, 403, 413, 415, 422, 503),
    )
    async def add(self, request: Request[Any, Any, Any], service: NamedDependency[Service]) -> Response[StoredPictures]:
        """Add pictures: each is durable and searchable when this answers; 200 where nothing was new.

        One picture that cannot be added is a problem; of several, each has its own.
        """
        with service.admitted():
            pictures, said = await read_pictures(request, service.settings, AddFields)
            added = await service.run_pictures(
                lambda: service.library.add(
                    *pictures,
                    owner=said.owner,
                    tags=said.tags,
                    caption=said.caption,
                    context=said.context,
                    auto_tag=said.auto_tag,
                )
            )
        raise_alone([each.problem for each in added])
        results = [_stored(each) for each in added]
        new = any(each.status in _NEW for each in results)
        return Response(StoredPictures(results), status_code=201 if new else 200)

    @get(responses=_PROBLEMS)
    async def list(
        self,
        service: NamedDependency[Service],
        where: Where = None,
        limit: Limit = 50,
        cursor: FromQuery[UUID | None] = None,
    ) -> AssetPage:
        """List assets that meet all conditions, such as `tag=dog|cat`, `owner=ann` or `width>=800`."""
        after = None if cursor is None else str(cursor)
        found = await service.run(lambda: [*service.library.list(where=where or (), limit=limit + 1, after=after)])
        return AssetPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @get("/{asset_id:uuid}", responses=_PROBLEMS)
    async def show(self, service: NamedDependency[Service], asset_id: FromPath[UUID]) -> AssetView:
        """Show one asset."""
        return await service.run(lambda: service.library.get(str(asset_id)))

    @get("/{asset_id:uuid}/original", media_type="application/octet-stream", responses=_PROBLEMS)
    async def original(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], asset_id: FromPath[UUID]
    ) -> Response[bytes]:
        """Return the picture's own bytes, with all that its file says of itself."""
        asset = await service.run(lambda: service.library.get(str(asset_id)))
        return await _picture(
            request,
            service,
            tag=asset.sha256,
            media=_TYPES.get(asset.format, "application/octet-stream"),
            read=lambda: service.library.original(asset.id),
        )

    @get("/{asset_id:uuid}/preview", media_type="image/webp", responses=_PROBLEMS)
    async def preview(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        asset_id: FromPath[UUID],
        width: FromQuery[Annotated[int, QueryParameter(ge=16, le=4096)]] = 512,
    ) -> Response[bytes]:
        """Return a WebP at most ``width`` pixels wide, without any metadata."""
        asset = await service.run(lambda: service.library.get(str(asset_id)))
        return await _picture(
            request,
            service,
            tag=f"{asset.sha256}-{width}",
            media="image/webp",
            read=lambda: service.library.preview(asset.id, width=width),
        )

    @get("/{asset_id:uuid}/explain", responses=_PROBLEMS)
    async def explain(
        self, service: NamedDependency[Service], asset_id: FromPath[UUID], label: FromQuery[str]
    ) -> Explanation:
        """Say why the asset carries the tag ``label``, or does not."""
        return await service.run(lambda: service.library.explain(str(asset_id), label))

    @get("/{asset_id:uuid}/similar", responses=_PROBLEMS)
    async def similar(
        self,
        service: NamedDependency[Service],
        asset_id: FromPath[UUID],
        limit: FromQuery[Annotated[int, QueryParameter(ge=1, le=999)]] = 10,
    ) -> Similar:
        """Return what looks most like the asset."""
        return Similar(await service.run(lambda: service.library.similar(str(asset_id), limit=limit)))

    @patch("/{asset_id:uuid}/tags", opt=WRITE, responses=_PROBLEMS)
    async def tag(
        self, service: NamedDependency[Service], asset_id: FromPath[UUID], data: JSONBody[TagChanges]
    ) -> Labelled:
        """Attach and remove tags as a person: this outlives every re-analysis."""
        return await service.run(lambda: service.library.tag(str(asset_id), add=data.add, remove=data.remove))


def _stored(added: Added) -> Stored:
    return Stored(
        name=added.source,
        status=added.status,
        asset=added.asset,
        problem=None if added.problem is None else of_picture(added.problem),
    )


async def _picture(
    request: Request[Any, Any, Any], service: Service, *, tag: str, media: str, read: Callable[[], bytes]
) -> Response[bytes]:
    """Answer with the bytes of a picture, or that the caller has them: they are named by their content."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, max-age=3600", "Content-Security-Policy": "sandbox"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=media)
    return Response(await service.run_pictures(read), headers=headers, media_type=media)
