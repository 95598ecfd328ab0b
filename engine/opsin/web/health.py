"""Whether the service is there, whether it can work, and which one it is; open to all."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from opsin.library import Ready
from opsin.services.keeping.standing import LibraryStatus
from opsin.version import VERSION
from opsin.web.access import OPEN
from opsin.web.asked import asked_of
from opsin.web.problems import RETRY_AFTER
from opsin.web.service import LOADING
from opsin.web.tenants import Tenants

_OUT_OF_USE = frozenset({"quarantined", "off"})
_UNTOLD = "the models cannot be loaded: an admin key is told why, and so is the log of the service"


class Live(msgspec.Struct, frozen=True):
    """The service answers."""

    status: Literal["live"] = "live"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Which Opsin this is, and the encoder of the library; null where there are several and no key says which."""

    opsin: str
    api: str
    encoder: str | None


def readiness(status: LibraryStatus) -> Ready:
    """Return what is said of a library whose models were loaded; nothing that only holders of keys may know."""
    lost = [
        f"the {item.kind} {item.name!r} is {item.state}"
        for each in status.plugins
        for item in each.objects
        if item.state in _OUT_OF_USE
    ]
    broken = [f"the plugin {each.name!r} is broken" for each in status.plugins if each.state == "broken"]
    full = ["the disk of the library is full, or nearly so"] if status.full else []
    encoder = tuple(each for each in lost if each.startswith("the encoder "))
    return Ready(
        ready=not encoder,
        missing=encoder,
        degraded=(*lost, *broken, *full),
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
    async def ready(self, request: Request[Any, Any, Any], tenants: NamedDependency[Tenants]) -> Response[Ready]:
        """Say whether pictures can be looked at: 503, with what is missing, until the models are loaded."""
        asked = asked_of(request.scope)
        service = asked.service or tenants.alone
        if service is None:
            loading = any(each.missing == LOADING for each in tenants.services)
            return _not_ready(Ready(ready=False, missing=(LOADING,))) if loading else Response(Ready(ready=True))
        if service.missing is not None:
            why = service.missing if asked.scope == "admin" or service.missing == LOADING else _UNTOLD
            return _not_ready(Ready(ready=False, missing=(why,)))
        status = await service.run(service.library.status)
        found = readiness(status)
        return Response(found) if found.ready else _not_ready(found, _revival(status))

    @get("/version", sync_to_thread=False)
    def version(self, request: Request[Any, Any, Any], tenants: NamedDependency[Tenants]) -> Version:
        """Say which Opsin this is."""
        service = asked_of(request.scope).service or tenants.alone
        return Version(opsin=VERSION, api="v1", encoder=None if service is None else service.library.encoder)


def _revival(status: LibraryStatus) -> float:
    """Return the seconds after which an encoder that is out of use is tried again."""
    encoders = [item for each in status.plugins for item in each.objects if item.kind == "encoder"]
    return max((each.next_revival for each in encoders if each.next_revival is not None), default=RETRY_AFTER)


def _not_ready(found: Ready, after: float = RETRY_AFTER) -> Response[Ready]:
    return Response(found, status_code=503, headers={"Retry-After": str(max(1, math.ceil(after)))})
