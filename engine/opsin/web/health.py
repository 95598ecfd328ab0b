"""Whether the service is there, whether it can work, and which one it is; open to all."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency

from opsin.version import VERSION
from opsin.web.access import OPEN
from opsin.web.problems import RETRY_AFTER
from opsin.web.service import Service


class Live(msgspec.Struct, frozen=True):
    """The service answers."""

    status: Literal["live"] = "live"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the service can look at pictures; ``missing`` says what it waits for."""

    ready: bool
    missing: tuple[str, ...] = ()


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Which Opsin this is, and the encoder of its library."""

    opsin: str
    api: str
    encoder: str


class HealthController(Controller):
    """Health."""

    path = "/v1"
    tags = ["health"]  # noqa: RUF012  Litestar's way to say it
    opt = OPEN
    security = [{}]  # noqa: RUF012

    @get("/health/live", sync_to_thread=False)
    def live(self) -> Live:
        """Say that the service answers."""
        return Live()

    @get("/health/ready", sync_to_thread=False)
    def ready(self, service: NamedDependency[Service]) -> Response[Ready]:
        """Say whether pictures can be looked at: 503, with what is missing, until the models are loaded."""
        if service.missing is None:
            return Response(Ready(ready=True))
        waiting = Ready(ready=False, missing=(service.missing,))
        return Response(waiting, status_code=503, headers={"Retry-After": str(RETRY_AFTER)})

    @get("/version", sync_to_thread=False)
    def version(self, service: NamedDependency[Service]) -> Version:
        """Say which Opsin this is."""
        return Version(opsin=VERSION, api="v1", encoder=service.library.encoder)
