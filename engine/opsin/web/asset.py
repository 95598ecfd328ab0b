"""/v1/assets/{id}: what is known of one asset, changing that, deleting it and bringing it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from opsin.library import Alike, AssetView, Colour, Deleted, Explanation, Hit, Labelled
from opsin.model import Report
from opsin.web.access import READ, WRITE
from opsin.web.assets import shown
from opsin.web.caching import headers_for, is_known, named
from opsin.web.problems import problem_responses
from opsin.web.service import Service

AnyRequest = Request[Any, Any, Any]
Id = FromPath[UUID]
Width = FromQuery[Annotated[int, QueryParameter(ge=16, le=4096, description="At most so many pixels wide and high.")]]
Now = FromQuery[Annotated[bool, QueryParameter(description="Erase it at once, for good.")]]
Label = FromQuery[Annotated[str, QueryParameter(description="The tag: the id, the name or a synonym of its label.")]]
Threshold = FromQuery[Annotated[float, QueryParameter(ge=0, le=1)]]
_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "tiff": "image/tiff"}
_TYPES |= {"bmp": "image/bmp", "avif": "image/avif", "heif": "image/heif"}
_PROBLEMS = problem_responses(400, 401, 403, 404)
_CHANGING = problem_responses(400, 401, 403, 404, 409, 412, body=True)
_PICTURE = "private, max-age=3600"


class TagChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tags that a person attaches and takes away, for good."""

    add: list[str] = []
    remove: list[str] = []


class AssetChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be said of an asset: null takes a field away, what is left out stays."""

    owner: str | msgspec.UnsetType | None = msgspec.UNSET
    caption: str | msgspec.UnsetType | None = msgspec.UNSET
    context: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    public_id: str | msgspec.UnsetType | None = msgspec.UNSET
    auto_tag: Annotated[float, msgspec.Meta(ge=0, le=1)] | msgspec.UnsetType | None = msgspec.UNSET
    tags: TagChanges | None = None


class Similar(msgspec.Struct, frozen=True):
    """What looks alike, best first."""

    hits: Sequence[Hit]


class Duplicates(msgspec.Struct, frozen=True):
    """What looks nearly the same, the nearest first."""

    duplicates: Sequence[Alike]


class Reports(msgspec.Struct, frozen=True):
    """What each categorizer said, in the order of their names."""

    reports: Sequence[Report]


class Palette(msgspec.Struct, frozen=True):
    """The colours of a picture, the largest share first."""

    colours: Sequence[Colour]


class AssetController(Controller):
    """One asset."""

    path = "/v1/assets/{asset_id:uuid}"
    tags = ["assets"]  # noqa: RUF012
    opt = READ

    @get(responses=_PROBLEMS)
    async def show(self, request: AnyRequest, service: NamedDependency[Service], asset_id: Id) -> Response[AssetView]:
        """Show one asset. Its `ETag` changes with anything that is shown."""
        return await shown(request, service, lambda: service.library.get(str(asset_id)))

    @patch(opt=WRITE, responses=_CHANGING)
    async def change(
        self,
        request: AnyRequest,
        service: NamedDependency[Service],
        asset_id: Id,
        data: JSONBody[AssetChanges],
    ) -> Response[Labelled]:
        """Change what is said of an asset, all at once; with `If-Match`, only where it is what the caller saw."""
        edits: Any = {
            name: value
            for name in ("owner", "caption", "context", "public_id", "auto_tag")
            if (value := getattr(data, name)) is not msgspec.UNSET
        }
        tags = data.tags or TagChanges()
        expected = named(request.headers.get("if-match"))
        changed = await service.run(
            lambda: service.library.edit(str(asset_id), add=tags.add, remove=tags.remove, expected=expected, **edits)
        )
        return Response(changed, headers=headers_for(service.library.etag(changed)))

    @delete(opt=WRITE, status_code=200, responses=_CHANGING)
    async def delete(
        self,
        request: AnyRequest,
        service: NamedDependency[Service],
        asset_id: Id,
        now: Now = False,
    ) -> Deleted:
        """Delete an asset; it can be restored for a while, unless `now` erases it. With `If-Match`, only where it is what the caller saw."""
        expected = named(request.headers.get("if-match"))
        return await service.run(lambda: service.library.delete(str(asset_id), at_once=now, expected=expected))

    @post("/restore", opt=WRITE, status_code=200, responses=_CHANGING)
    async def restore(
        self, request: AnyRequest, service: NamedDependency[Service], asset_id: Id
    ) -> Response[AssetView]:
        """Bring a deleted asset back, as it was; `If-Match` holds only of one that is there, and is returned as it is."""
        expected = named(request.headers.get("if-match"))
        back = await service.run(lambda: service.library.undelete(str(asset_id), expected=expected))
        return Response(back, headers=headers_for(service.library.etag(back)))

    @patch("/tags", opt=WRITE, responses=_CHANGING)
    async def tag(
        self, request: AnyRequest, service: NamedDependency[Service], asset_id: Id, data: JSONBody[TagChanges]
    ) -> Response[Labelled]:
        """Attach and remove tags as a person, for good; with `If-Match`, only where the asset is what the caller saw."""
        expected = named(request.headers.get("if-match"))
        tagged = await service.run(
            lambda: service.library.tag(str(asset_id), add=data.add, remove=data.remove, expected=expected)
        )
        return Response(tagged, headers=headers_for(service.library.etag(tagged)))

    @get("/original", media_type="image/*", responses=_PROBLEMS)
    async def original(self, request: AnyRequest, service: NamedDependency[Service], asset_id: Id) -> Response[bytes]:
        """Return the picture's own bytes, with all that its file says of itself."""
        asset = await service.run(lambda: service.library.get(str(asset_id)))
        media = _TYPES.get(asset.format, "application/octet-stream")
        disposition = f"inline; filename*=UTF-8''{quote(asset.name.encode('utf-8', 'replace'), safe='')}"
        return await _picture(
            request, service, asset.sha256, media, lambda: service.library.original(asset.id), disposition=disposition
        )

    @get("/preview", media_type="image/*", responses=_PROBLEMS)
    async def preview(
        self,
        request: AnyRequest,
        service: NamedDependency[Service],
        asset_id: Id,
        width: Width = 512,
        form: FromQuery[Annotated[Literal["webp", "jpeg", "avif"], QueryParameter(name="format")]] = "webp",
    ) -> Response[bytes]:
        """Return a picture at most `width` pixels wide and high, without any metadata."""
        asset = await service.run(lambda: service.library.get(str(asset_id)))
        tag = f"{asset.sha256}-{width}-{form}"

        def read() -> bytes:
            return service.library.preview(asset.id, width=width, form=form)

        return await _picture(request, service, tag, _TYPES[form], read)

    @get("/palette", responses=_PROBLEMS)
    async def palette(self, service: NamedDependency[Service], asset_id: Id) -> Palette:
        """Return the colours that the picture is made of."""
        return Palette(await service.run(lambda: service.library.palette(str(asset_id))))

    @get("/reports", responses=_PROBLEMS)
    async def reports(self, service: NamedDependency[Service], asset_id: Id) -> Reports:
        """Return what each categorizer said of the picture."""
        return Reports(await service.run(lambda: service.library.reports(str(asset_id))))

    @get("/explain", responses=_PROBLEMS)
    async def explain(self, service: NamedDependency[Service], asset_id: Id, label: Label) -> Explanation:
        """Say why the asset carries the tag ``label``, or does not."""
        return await service.run(lambda: service.library.explain(str(asset_id), label))

    @get("/similar", responses=_PROBLEMS)
    async def similar(
        self,
        service: NamedDependency[Service],
        asset_id: Id,
        limit: FromQuery[Annotated[int, QueryParameter(ge=1, le=999)]] = 10,
    ) -> Similar:
        """Return what looks most like the asset."""
        return Similar(await service.run(lambda: service.library.similar(str(asset_id), limit=limit)))

    @get("/duplicates", responses=_PROBLEMS)
    async def duplicates(
        self,
        service: NamedDependency[Service],
        asset_id: Id,
        threshold: Threshold = 0.95,
        limit: FromQuery[Annotated[int, QueryParameter(ge=1, le=1000)]] = 50,
    ) -> Duplicates:
        """Return what looks nearly the same as the asset: a cosine of at least `threshold`."""
        return Duplicates(
            await service.run(lambda: service.library.duplicates_of(str(asset_id), threshold=threshold, limit=limit))
        )


async def _picture(
    request: AnyRequest,
    service: Service,
    tag: str,
    media: str,
    read: Callable[[], bytes],
    *,
    disposition: str = "inline",
) -> Response[bytes]:
    """Answer with the bytes of a picture, or that the caller has them: they are named by their content.

    ``disposition`` is the name under which a browser stores it (RFC 6266).
    """
    headers = {**headers_for(tag, cache=_PICTURE), "Content-Security-Policy": "sandbox", "Accept-Ranges": "none"}
    headers["Content-Disposition"] = disposition
    if is_known(request, tag):
        return Response(b"", status_code=304, headers=headers, media_type=media)
    return Response(await service.run_pictures(read), headers=headers, media_type=media)
