"""/v1/duplicates: groups of assets that look nearly the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from opsin.library import Group
from opsin.web.access import READ
from opsin.web.asset import Threshold
from opsin.web.problems import problem_responses
from opsin.web.service import Service


class Groups(msgspec.Struct, frozen=True):
    """Groups of assets that look nearly the same."""

    groups: Sequence[Group]


class DuplicatesController(Controller):
    """Duplicates."""

    path = "/v1/duplicates"
    tags = ["assets"]  # noqa: RUF012
    opt = READ

    @get(responses=problem_responses(400, 401, 403, 503))
    async def groups(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        threshold: Threshold = 0.95,
        limit: FromQuery[Annotated[int, QueryParameter(ge=1, le=1000)]] = 50,
    ) -> Groups:
        """Return up to `limit` groups of assets that look nearly the same: a cosine of at least `threshold`.

        Every picture is compared with all others: this takes as many searches as there are pictures, and is answered to one
        caller at a time, to others 503. It ends when the caller leaves.
        """
        library = service.library
        found = await service.run_long(
            lambda step: [*islice(library.duplicates(threshold=threshold, progress=step), limit)], request.receive
        )
        return Groups(found)
