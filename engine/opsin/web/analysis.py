"""POST /v1/analyse: what pictures show; nothing is stored."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from opsin.fusion import Fused
from opsin.model import Tag
from opsin.services.given import Address, Upload
from opsin.services.once import Told
from opsin.web.access import READ
from opsin.web.bodies import PicturesOperation, read_pictures
from opsin.web.problems import ProblemDetails, of_picture, problem_responses, raise_alone
from opsin.web.service import Service


class LookOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said beside the pictures."""

    auto_tag: float | None = None


class Analysis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one picture shows.

    ``matches`` are the best labels with their scores and where these come from; ``attributes`` is what categorizers add to labels; ``problem`` says why a picture could not be looked at.
    """

    name: str
    tags: tuple[Tag, ...] = ()
    matches: tuple[Fused, ...] = ()
    attributes: dict[str, Any] = {}
    problem: ProblemDetails | None = None


class Analyses(msgspec.Struct, frozen=True):
    """One entry for each picture, in order."""

    results: list[Analysis]


class AnalysisController(Controller):
    """Looking at pictures without storing them."""

    path = "/v1/analyse"
    tags = ["analyse"]  # noqa: RUF012
    opt = READ

    @post(
        status_code=200,
        operation_class=PicturesOperation,
        responses=problem_responses(400, 401, 403, 413, 415, 422, 503),
    )
    async def analyse(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        top: FromQuery[Annotated[int, QueryParameter(ge=0, le=10_000)]] = 20,
    ) -> Analyses:
        """Tag pictures without storing anything.

        One picture that cannot be looked at is a problem; of several, each has its own. ``top``: matches of a picture.
        """
        with service.admitted():
            pictures, said = await read_pictures(request, service.settings, LookOptions)
            told = await service.run_pictures(lambda: list(service.library.analyse(*pictures, auto_tag=said.auto_tag)))
        raise_alone([each.problem for each in told])
        return Analyses([_analysis(picture, each, top) for picture, each in zip(pictures, told, strict=True)])


def _analysis(picture: Upload | Address, told: Told, top: int) -> Analysis:
    return Analysis(
        name=(picture.name if isinstance(picture, Upload) else "") or told.source,
        tags=told.tags,
        matches=told.matches[:top],
        attributes=dict(told.attributes),
        problem=None if told.problem is None else of_picture(told.problem),
    )
