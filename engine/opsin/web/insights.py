"""/v1/insights: what the tags say of owners and of time, where it is switched on."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from opsin.library import Companions, Profile, Trends
from opsin.web.access import ADMIN
from opsin.web.problems import problem_responses
from opsin.web.service import Service

_PROBLEMS = problem_responses(400, 401, 403, 409)
Days = FromQuery[
    Annotated[int, QueryParameter(ge=1, le=1825, description="Compares so many days with as many before.")]
]
Named = FromQuery[Annotated[str, QueryParameter(min_length=1)]]


class InsightsController(Controller):
    """Insights, off unless `insights.enabled` is set; for admin keys."""

    path = "/v1/insights"
    tags = ["insights"]  # noqa: RUF012
    opt = ADMIN

    @get("/profile", responses=_PROBLEMS)
    async def profile(self, service: NamedDependency[Service], owner: Named) -> Profile:
        """Show the tags of one owner, and those that the owner has more often than everybody."""
        return await service.run(lambda: service.library.insights.profile(owner))

    @get("/trends", responses=_PROBLEMS)
    async def trends(self, service: NamedDependency[Service], days: Days = 30) -> Trends:
        """Compare the tags of the last days with those of as many days before."""
        return await service.run(lambda: service.library.insights.trends(days=days))

    @get("/companions", responses=_PROBLEMS)
    async def companions(self, service: NamedDependency[Service], label: Named) -> Companions:
        """Show which tags stand beside a label."""
        return await service.run(lambda: service.library.insights.companions(label))
