"""POST /v1/analyse: what pictures show; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType

from opsin.fusion import Fused
from opsin.model import Tag
from opsin.services.assets.once import Told
from opsin.services.looking.given import Address, Upload
from opsin.web.access import READ
from opsin.web.admission import PICTURES
from opsin.web.bodies import PicturesOperation, read_pictures
from opsin.web.problems import ProblemDetails, of_picture, problem_responses, raise_alone
from opsin.web.service import Service

_TOP = 20
_MOST = 10_000
"""Matches of a picture: so many unless somebody says, and at most."""


class LookOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said beside the pictures."""

    auto_tag: float | None = None
    categorizers: tuple[str, ...] = ()
    embedding: bool = False
    top: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] = _TOP


@dataclass
class LookOperation(PicturesOperation):
    """Says in OpenAPI what may be said beside pictures that are looked at."""

    def fields(self) -> Mapping[str, Schema]:
        wanted = Schema(
            type=OpenAPIType.BOOLEAN, default=False, description="Whether to return the vector of each picture"
        )
        top = Schema(
            type=OpenAPIType.INTEGER, minimum=0, maximum=_MOST, default=_TOP, description="Matches of a picture"
        )
        return {**super().fields(), "embedding": wanted, "top": top}


class Analysis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one picture shows.

    ``matches`` are the best labels with their scores and where these come from; ``attributes`` is what categorizers add to labels; ``embedding`` is the encoder's unit vector, if asked for; ``failed_reports`` the categorizers that failed, with the reason; ``problem`` says why a picture could not be looked at.
    """

    name: str
    tags: tuple[Tag, ...] = ()
    matches: tuple[Fused, ...] = ()
    attributes: dict[str, Any] = {}
    embedding: tuple[float, ...] | None = None
    failed_reports: dict[str, str] = {}
    problem: ProblemDetails | None = None


class Analyses(msgspec.Struct, frozen=True):
    """One entry for each picture, in order."""

    results: list[Analysis]


class AnalysisController(Controller):
    """Looking at pictures without storing them."""

    path = "/v1/analyse"
    tags = ["analyse"]  # noqa: RUF012
    opt = READ | PICTURES

    @post(
        status_code=200,
        operation_class=LookOperation,
        responses=problem_responses(400, 401, 403, 404, 422, body=True),
    )
    async def analyse(self, request: Request[Any, Any, Any], service: NamedDependency[Service]) -> Analyses:
        """Tag pictures without storing anything.

        One picture that cannot be looked at is a problem; of several, each has its own.
        """
        pictures, said = await read_pictures(request, service.settings, LookOptions)
        asked = {name: value for name, value in msgspec.structs.asdict(said).items() if name != "top"}
        told = await service.run_pictures(lambda: list(service.library.analyse(*pictures, **asked)))
        raise_alone([each.problem for each in told])
        return Analyses([_analysis(picture, each, said.top) for picture, each in zip(pictures, told, strict=True)])


def _analysis(picture: Upload | Address, told: Told, top: int) -> Analysis:
    return Analysis(
        name=(picture.name if isinstance(picture, Upload) else "") or told.source,
        tags=told.tags,
        matches=told.matches[:top],
        attributes=dict(told.attributes),
        embedding=told.embedding,
        failed_reports=dict(told.failed_reports),
        problem=None if told.problem is None else of_picture(told.problem),
    )
