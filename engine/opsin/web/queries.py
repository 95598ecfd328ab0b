"""How a search comes in a request: as JSON, or as a form with example pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import msgspec
from litestar import Request
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from opsin.errors import UsageError
from opsin.library import Facet, Part
from opsin.services.finding.query import LONGEST_TEXT
from opsin.services.looking.given import Upload, upload_of_uri
from opsin.settings import Settings
from opsin.web.admission import media_of, require_json
from opsin.web.bodies import BINARY, address_of, read_pictures
from opsin.web.query import of_body

Weight = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
_MOST_PARTS = 100


class SearchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be said of every search. ``everything`` shows also what the cut-off holds for no match.

    ``hybrid`` finds also by names, captions and tags; ``explain`` says where the place of each hit comes from; ``facets``
    are counted over all that is found.
    """

    where: list[str] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    cursor: str | None = None
    everything: bool = False
    hybrid: bool = False
    explain: bool = False
    facets: list[Facet] = []


class SearchPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of ``text``, ``image`` (a data URI), ``url``, ``asset`` (an id, or what else names one) and ``vector``. A negative weight pushes away."""

    text: Text | None = None
    image: str | None = None
    url: str | None = None
    asset: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] | None = None
    vector: Annotated[tuple[float, ...], msgspec.Meta(max_length=100_000)] | None = None
    weight: Weight = 1.0

    def part(self) -> Part:
        """Return what the library looks for.

        :raises UsageError: where it is not exactly one of the five.
        """
        if sum(each is not None for each in (self.text, self.image, self.url, self.asset, self.vector)) != 1:
            raise UsageError("each part is one of text, image, url, asset and vector")
        if self.url is not None:
            return Part("picture", address_of(self.url), self.weight)
        if self.text is not None:
            return Part("text", self.text, self.weight)
        if self.asset is not None:
            return Part("asset", self.asset, self.weight)
        if self.vector is not None:
            return Part("vector", self.vector, self.weight)
        return Part("picture", upload_of_uri(self.image or "").data, self.weight)


class SearchRequest(SearchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A search as JSON."""

    parts: Annotated[list[SearchPart], msgspec.Meta(min_length=1, max_length=_MOST_PARTS)]


class SearchForm(SearchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a form says beside its pictures: words to look for, too, and the weight of each picture."""

    text: Text | None = None
    weight: Weight = 1.0


async def read_search(request: Request[Any, Any, Any], settings: Settings) -> tuple[list[Part], SearchOptions]:
    """Return the parts and the options of a search.

    :raises UsageError: where it is none, or a form without a picture.
    :raises WrongMediaType: where it comes neither as JSON nor as a form.
    :raises LimitExceeded: where a picture is larger than decode.max_bytes.
    """
    media = media_of(request.scope)
    if media == "multipart/form-data":
        return await _read_form(request, settings)
    require_json(media, besides=" or multipart/form-data")
    return await _read_json(request)


async def _read_form(request: Request[Any, Any, Any], settings: Settings) -> tuple[list[Part], SearchOptions]:
    pictures, said = await read_pictures(request, settings, SearchForm)
    words = [] if said.text is None else [Part("text", said.text)]
    examples = [Part("picture", each.data if isinstance(each, Upload) else each, said.weight) for each in pictures]
    return _few([*words, *examples]), said


async def _read_json(request: Request[Any, Any, Any]) -> tuple[list[Part], SearchOptions]:
    try:
        said = msgspec.json.decode(await request.body(), type=SearchRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"this is no search: {of_body(str(error), SearchRequest)}"
        raise UsageError(msg) from error
    return [each.part() for each in said.parts], said


def _few(parts: list[Part]) -> list[Part]:
    if len(parts) > _MOST_PARTS:
        msg = f"a search has at most {_MOST_PARTS} parts"
        raise UsageError(msg)
    return parts


@dataclass
class SearchOperation(Operation):
    """Says in OpenAPI how a search comes; a handler that reads bodies itself has no parameter that would."""

    def __post_init__(self) -> None:
        form = Schema(type=OpenAPIType.OBJECT, properties={**_EXAMPLES, **_OPTIONS}, required=["file"])
        parts = Schema(type=OpenAPIType.ARRAY, items=_PART, min_items=1, max_items=_MOST_PARTS)
        plain = Schema(type=OpenAPIType.OBJECT, properties={"parts": parts, **_OPTIONS}, required=["parts"])
        plain.examples = [{"parts": [{"text": "a red square"}], "where": ["width>=64"], "facets": ["tag"]}]
        self.request_body = RequestBody(
            description="Words, pictures, assets and vectors, each with a weight; or a form with example pictures",
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=plain),
                "multipart/form-data": OpenAPIMediaType(schema=form),
            },
        )


def _flag(description: str) -> Schema:
    return Schema(type=OpenAPIType.BOOLEAN, default=False, description=description)


_TEXT = Schema(type=OpenAPIType.STRING)
_WORDS = Schema(type=OpenAPIType.STRING, max_length=LONGEST_TEXT, description="Words to look for")
_WEIGHT = Schema(
    type=OpenAPIType.NUMBER, minimum=-1e6, maximum=1e6, default=1.0, description="A negative weight pushes away"
)
_PART = Schema(
    type=OpenAPIType.OBJECT,
    description="One of text, image, url, asset and vector. A negative weight pushes away.",
    properties={
        "text": _WORDS,
        "image": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URI, description="A data URI"),
        "url": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URI, description="An address of serve.urls"),
        "asset": Schema(type=OpenAPIType.STRING, min_length=1, max_length=4096),
        "vector": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.NUMBER), description="Of the encoder"),
        "weight": _WEIGHT,
    },
)
_EXAMPLES: Mapping[str, Schema] = {
    "file": Schema(
        type=OpenAPIType.ARRAY,
        items=BINARY,
        description="One example or several",
    ),
    "text": _WORDS,
    "weight": _WEIGHT,
}
_OPTIONS: Mapping[str, Schema] = {
    "where": Schema(type=OpenAPIType.ARRAY, items=_TEXT, description="Conditions that all have to hold"),
    "limit": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=1000, default=20, description="At most so many hits"),
    "cursor": Schema(one_of=[_TEXT, Schema(type=OpenAPIType.NULL)], description="Continues a page with the same query"),
    "everything": _flag("Whether to show also what the cut-off holds for no match"),
    "hybrid": _flag("Whether to find also by names, captions and tags"),
    "explain": _flag("Whether to say where the place of each hit comes from"),
    "facets": Schema(
        type=OpenAPIType.ARRAY,
        items=Schema(type=OpenAPIType.STRING, enum=list(get_args(Facet))),
        description="What to count all that is found by",
    ),
}
