"""Whether the service is there, whether it can work, and which one it is; open to all."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from opsin.services.standing import LibraryStatus
from opsin.version import VERSION
from opsin.web.access import OPEN
from opsin.web.problems import RETRY_AFTER
from opsin.web.service import Service

_OUT_OF_USE = frozenset({"quarantined", "off"})


class Live(msgspec.Struct, frozen=True):
    """The service answers."""

    status: Literal["live"] = "live"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the service can look at pictures; ``missing`` says what it waits for.

    ``degraded`` names what is out of use of plugins (`opsin plugins` says why): what it would say of new pictures is
    unknown for now. ``unsaved`` vectors are newer than the snapshot of the index, written at ``saved_at``: after a crash they
    are taken from the catalogue again. Both are null until the models are loaded.
    """

    ready: bool
    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    unsaved: int | None = None
    saved_at: str | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Which Opsin this is, and the encoder of its library."""

    opsin: str
    api: str
    encoder: str


def readiness(status: LibraryStatus) -> Ready:
    """Return what is said of a library whose models were loaded; nothing that only holders of keys may know."""
    lost = [
        f"the {item.kind} {item.name!r} is {item.state}"
        for each in status.plugins
        for item in each.objects
        if item.state in _OUT_OF_USE
    ]
    broken = [f"the plugin {each.name!r} is broken" for each in status.plugins if each.state == "broken"]
    encoder = tuple(each for each in lost if each.startswith("the encoder "))
    return Ready(
        ready=not encoder,
        missing=encoder,
        degraded=(*lost, *broken),
        unsaved=status.index.unsaved,
        saved_at=status.index.saved_at,
    )


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

    @get("/health/ready", responses={503: ResponseSpec(Ready, description="Not yet", generate_examples=False)})
    async def ready(self, service: NamedDependency[Service]) -> Response[Ready]:
        """Say whether pictures can be looked at: 503, with what is missing, until the models are loaded."""
        if service.missing is not None:
            return _not_ready(Ready(ready=False, missing=(service.missing,)))
        status = await service.run(service.library.status)
        found = readiness(status)
        return Response(found) if found.ready else _not_ready(found)

    @get("/version", sync_to_thread=False)
    def version(self, service: NamedDependency[Service]) -> Version:
        """Say which Opsin this is."""
        return Version(opsin=VERSION, api="v1", encoder=service.library.encoder)


def _not_ready(found: Ready) -> Response[Ready]:
    return Response(found, status_code=503, headers={"Retry-After": str(RETRY_AFTER)})
