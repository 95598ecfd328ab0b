"""/v1/tags: every tag in use."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency

from opsin.services.listing import TagCount
from opsin.web.access import READ
from opsin.web.problems import problem_responses
from opsin.web.service import Service

_PROBLEMS = problem_responses(401, 403)


class Tags(msgspec.Struct, frozen=True):
    """Every tag in use with the number of its assets, most frequent first."""

    tags: Sequence[TagCount]


class TagsController(Controller):
    """Tags."""

    path = "/v1/tags"
    tags = ["tags"]  # noqa: RUF012
    opt = READ

    @get(responses=_PROBLEMS)
    async def counts(self, service: NamedDependency[Service]) -> Tags:
        """Count the assets of every tag."""
        return Tags(await service.run(service.library.tags))
