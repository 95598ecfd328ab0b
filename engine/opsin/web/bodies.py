"""How pictures come in a request: as a form with files, as the bytes themselves, as data URIs or as addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec
from litestar import Request
from litestar.openapi.spec import OpenAPIMediaType, Operation, Parameter, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from opsin.errors import LimitExceeded, SourceUnavailable, UsageError, WrongMediaType
from opsin.intake.source import too_large
from opsin.services.looking.given import Address, Upload, upload_of_uri
from opsin.settings import Settings
from opsin.web.admission import is_json
from opsin.web.query import of_body

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T", bound=msgspec.Struct)
_MOST_PICTURES = 200
_MOST_PARTS = 500
"""Parts of a form: as many pictures as there may be, as many tags as may be said of them, and all else."""
_LONGEST_FIELD = 1024 * 1024
_LISTS = frozenset({"tags", "where", "facets", "categorizers"})
_PLURAL = "images"
_URIS = frozenset({"image", _PLURAL})
_MOST_URLS = 20
_LONGEST_URL = 8192
BINARY = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, content_media_type="application/octet-stream")
"""The bytes of a file. ``format`` says nothing in OpenAPI 3.1, but Swagger UI lets somebody choose a file by it alone."""

_RED = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ"
    "+f8B8u7oVwAAAABJRU5ErkJggg=="
)
"""A picture of 16 x 16 red pixels, as an example that can be sent as it stands."""


class _Uri(NamedTuple):
    """What came as a data URI, and in which field."""

    field: str
    text: str


class Given(NamedTuple):
    """Pictures, and what is said of all of them as plain values."""

    pictures: list[Upload | Address]
    said: dict[str, Any]


async def read_pictures(request: AnyRequest, settings: Settings, kind: type[T]) -> tuple[list[Upload | Address], T]:
    """Return the pictures of a request, and what it says of them as a ``kind``.

    :raises UsageError: where it holds no picture, or says something that cannot be.
    :raises WrongMediaType: where its body is of another kind.
    :raises LimitExceeded: where a picture is larger than decode.max_bytes.
    """
    limit = settings.decode.max_bytes
    media, options = parse_options_header(request.headers.get("content-type", ""))
    if media == "multipart/form-data":
        given = await _form(request, options.get("boundary", ""), limit)
    elif is_json(media):
        given = _from_json(await request.body())
    elif media.startswith("image/") or media == "application/octet-stream":
        given = Given([Upload(await _whole(request, limit), request.query_params.get("name", ""))], {})
    else:
        msg = (
            "pictures come as multipart/form-data, as image/* or application/octet-stream (the bytes), or as "
            f"application/json, not as {media[:100]!r}: say so in Content-Type"
        )
        raise WrongMediaType(msg)
    if not given.pictures:
        raise UsageError("there is no picture: send a file, its bytes, a data URI in `image`, or an address in `url`")
    if sum(isinstance(picture, Address) for picture in given.pictures) > _MOST_URLS:
        msg = f"at most {_MOST_URLS} addresses fit into one request"
        raise UsageError(msg)
    for picture in given.pictures:
        if isinstance(picture, Upload) and len(picture.data) > limit:
            raise too_large("The picture", limit)
    return given.pictures, _said(request.query_params, given.said, kind)


def _said(query: Mapping[str, Any], body: Mapping[str, Any], kind: type[T]) -> T:
    """Join what the address and the body say; the body counts where both do."""
    names = {field.name for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name in names & query.keys():
        several = query.getall(name) if hasattr(query, "getall") else [query[name]]
        values[name] = several if name in _LISTS else several[-1]
    values |= body
    if isinstance(values.get("context"), str):
        try:
            values["context"] = msgspec.json.decode(values["context"])
        except (msgspec.DecodeError, RecursionError) as error:
            msg = f"context has to be a JSON object: {error}"
            raise UsageError(msg) from error
    try:
        return msgspec.convert(values, kind, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(of_body(str(error), kind)) from error


async def _whole(request: AnyRequest, limit: int) -> bytes:
    """Return the body, read no further than ``limit``."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large("The picture", limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large("The picture", limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _from_json(body: bytes) -> Given:
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"the body is no JSON object: {error}"
        raise UsageError(msg) from error
    uris, urls = (
        _one_or_several(said, "image", _PLURAL, "a data URI"),
        _one_or_several(said, "url", "urls", "an address"),
    )
    came: list[Upload | Address | _Uri] = [_Uri("image", each) for each in uris]
    came += map(address_of, urls)
    return Given(_opened(came), said)


def _opened(came: Sequence[Upload | Address | _Uri]) -> list[Upload | Address]:
    """Return the pictures that came, with what is in their data URIs.

    :raises UsageError: where there are too many.
    :raises SourceUnavailable: where one is none, or not well formed: a form may have filled it in, beside a picture.
    """
    if len(came) > _MOST_PICTURES:
        msg = f"at most {_MOST_PICTURES} pictures fit into one request"
        raise UsageError(msg)
    pictures: list[Upload | Address] = []
    for each in came:
        if not isinstance(each, _Uri):
            pictures.append(each)
            continue
        try:
            pictures.append(upload_of_uri(each.text))
        except SourceUnavailable as error:
            besides = f"; other pictures came beside it: leave `{each.field}` out where it is not meant"
            msg = f"`{each.field}`: {error}{besides if len(came) > 1 else ''}"
            raise SourceUnavailable(msg) from error
    return pictures


def _one_or_several(said: dict[str, Any], one: str, several: str, what: str) -> list[str]:
    """Take the texts of a field and of its plural out of what a body says."""
    found = said.pop(several, [])
    if one in said:
        found = [said.pop(one), *found] if isinstance(found, list) else [None]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        msg = f"`{one}` has to be {what}, and `{several}` a list of them"
        raise UsageError(msg)
    return found


def address_of(url: str) -> Address:
    """Return what a caller named as an address.

    :raises UsageError: where it is too long to be one.
    """
    if len(url) > _LONGEST_URL:
        msg = f"an address has at most {_LONGEST_URL:,} characters"
        raise UsageError(msg)
    return Address(url)


async def _form(request: AnyRequest, boundary: str, limit: int) -> Given:
    """Parse a form as it arrives: each file is in memory once, and refused when it passes the limit."""
    came: list[Upload | Address | _Uri] = []
    said: dict[str, Any] = {}
    try:
        async for segment, data in _segments(request, boundary, limit):
            if not data and not segment.filename:
                continue  # a field that nobody filled in, or no file chosen: browsers send these, too
            if _is_file(segment):
                came.append(Upload(data, segment.filename or ""))
                continue
            text = data.decode("utf-8")
            if segment.name in _URIS:
                came.append(_Uri(segment.name, text))
            elif segment.name in {"url", "urls"}:
                came.append(address_of(text))
            elif segment.name in _LISTS:
                said.setdefault(segment.name, []).append(text)
            else:
                said[segment.name or ""] = text
    except ParserLimitReached as error:
        few = f"; at most {_MOST_PARTS} parts fit into one request" if "count" in str(error) else ""
        msg = f"the form passes a limit: {error}{few}"
        raise UsageError(msg) from error
    except (MultipartError, ValueError) as error:
        msg = f"the form is not well formed: {error}"
        raise UsageError(msg) from error
    return Given(_opened(came), said)


async def _segments(request: AnyRequest, boundary: str, limit: int) -> AsyncIterator[tuple[MultipartSegment, bytes]]:
    with PushMultipartParser(boundary, max_segment_count=_MOST_PARTS) as parser:
        segment: MultipartSegment | None = None
        chunks: list[bytes | bytearray] = []
        size = most = 0
        async for received in request.stream():
            if parser.closed:
                continue
            for event in parser.parse(received):
                if isinstance(event, MultipartSegment):
                    segment, chunks, size = event, [], 0
                    most = _most(event, limit)
                elif event is not None:
                    size += len(event)
                    if segment is not None and size > most:
                        raise _too_long(segment, limit)
                    chunks.append(event)
                elif segment is not None:
                    yield segment, b"".join(chunks)


def _is_file(segment: MultipartSegment) -> bool:
    return segment.filename is not None or (segment.content_type or "").startswith("image/")


def _most(segment: MultipartSegment, limit: int) -> int:
    """Return how many bytes a part may have where a picture may have ``limit``; a data URI writes 4 for each 3 of them."""
    if _is_file(segment):
        return limit
    return limit * 4 // 3 + _LONGEST_URL if segment.name in _URIS else _LONGEST_FIELD


def _too_long(segment: MultipartSegment, limit: int) -> LimitExceeded | UsageError:
    if _is_file(segment) or segment.name in _URIS:
        return too_large("The picture", limit)
    return UsageError(f"the field {segment.name[:100]} has more than {_LONGEST_FIELD:,} bytes: no field may be so long")


@dataclass
class PicturesOperation(Operation):
    """Says in OpenAPI how pictures come; handlers that read bodies themselves have no parameter that would."""

    def __post_init__(self) -> None:
        uri = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URI, description="A data URI")
        url = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URI, description="An address of serve.urls")
        named = {"url": url, "urls": Schema(type=OpenAPIType.ARRAY, items=url, description="Several addresses")}
        some = {"image": uri, _PLURAL: Schema(type=OpenAPIType.ARRAY, items=uri, description="Several data URIs")}
        files = {"file": Schema(type=OpenAPIType.ARRAY, items=BINARY, description="One picture or several")}
        said = dict(self.fields())
        name = Schema(type=OpenAPIType.STRING, description="The name of the picture, where the body is its bytes")
        self.parameters = [
            *(self.parameters or []),
            *(Parameter(each, "query", schema, schema.description) for each, schema in {"name": name, **said}.items()),
        ]
        plain = _one_at_least({**some, **named}, said)
        plain.examples = [{"image": _RED}]
        self.request_body = RequestBody(
            description="One picture or several: as a form, as the bytes themselves, as data URIs or as addresses",
            required=True,
            content={
                "multipart/form-data": OpenAPIMediaType(schema=_one_at_least({**files, **some, **named}, said)),
                "application/json": OpenAPIMediaType(schema=plain),
                "image/*": OpenAPIMediaType(schema=BINARY),
                "application/octet-stream": OpenAPIMediaType(schema=BINARY),
            },
        )

    def fields(self) -> Mapping[str, Schema]:
        """Return what may be said beside the pictures."""
        share = Schema(
            type=OpenAPIType.NUMBER, minimum=0, maximum=1, description="The score a label must pass to be a tag"
        )
        asked = Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING),
            description="Which categorizers to ask, by id or plugin; all where none is named",
        )
        return {"auto_tag": share, "categorizers": asked}


def _one_at_least(pictures: Mapping[str, Schema], said: Mapping[str, Schema]) -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        properties={**pictures, **said},
        any_of=[Schema(required=[name]) for name in pictures],
    )
