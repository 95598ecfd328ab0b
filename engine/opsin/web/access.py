"""Who may ask: keys with scopes, and the names by which the service may be called."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from opsin.errors import OriginRefused
from opsin.services.keys import SCOPES
from opsin.web.problems import PROBLEM, describe
from opsin.web.service import Service

OPEN = {"needs": None}
READ = {"needs": "read"}
WRITE = {"needs": "write"}
"""What a handler's key has to allow; a handler that does not say it needs an admin key."""


async def key_guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a request whose key does not allow what the handler needs.

    :raises AccessRefused: saying why.
    """
    needs = handler.opt.get("needs", SCOPES[-1])
    if needs is None:
        return
    service: Service = connection.app.state.service
    scheme, _, rest = connection.headers.get("authorization", "").partition(" ")
    secret = rest.strip() if scheme.lower() == "bearer" else connection.headers.get("x-api-key")
    service.keys.check(secret).require(needs)


class Door:
    """Stands before the whole application and refuses what comes by another name than it is served under.

    A page of any site can have a browser ask a server on this machine: by letting its own name lead here (DNS
    rebinding), which the Host header shows, or across sites, which the Origin header shows. Addresses in numbers and
    localhost cannot be rebound; other names are allowed by ``serve.hosts``, other origins by ``serve.origins``.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in {b"host", b"origin"}}

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            self.check(headers.get(b"host", ""), headers.get(b"origin"))
        except OriginRefused as error:
            found = describe(error)
            body = msgspec.json.encode(found)
            kind, length = (b"content-type", PROBLEM.encode()), (b"content-length", b"%d" % len(body))
            await send({"type": "http.response.start", "status": found.status, "headers": [kind, length]})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        await self._app(scope, receive, send_safely)

    def check(self, host: str, origin: str | None) -> None:
        """Check by which name a request comes.

        :raises OriginRefused: naming the setting that would allow it.
        """
        name = _name(f"//{host}")
        if name not in self._hosts and not _is_here(name):
            msg = f"this service is not called {name[:200]!r}: add the name to serve.hosts"
            raise OriginRefused(msg)
        if origin is not None and origin.lower() not in self._origins and urlsplit_netloc(origin) != host.lower():
            msg = f"pages of {origin[:200]!r} may not ask this service: add the origin to serve.origins"
            raise OriginRefused(msg)


def urlsplit_netloc(url: str) -> str:
    """Return name and port of an origin, "" where there is none."""
    try:
        return urlsplit(url.lower()).netloc
    except ValueError:
        return ""


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_here(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True
