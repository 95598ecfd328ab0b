"""Who may ask: keys with scopes, and the names by which the service may be called."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from opsin.errors import HeadTooLarge, KeyRefused, OriginRefused, UsageError
from opsin.services.base.keys import SCOPES
from opsin.web.asked import asked_of
from opsin.web.cors import check_preflight
from opsin.web.problems import describe, send_problem
from opsin.web.query import KnownParameters
from opsin.web.tenants import Tenants

OPEN = {"needs": None}
READ = {"needs": "read"}
WRITE = {"needs": "write"}
ADMIN = {"needs": "admin"}
"""What a handler's key has to allow; a handler that does not say it needs an admin key."""

_WITHOUT = "this needs a key: send `Authorization: Bearer KEY` or `X-Api-Key: KEY` (`opsin --key KEY`); `opsin keys create` makes one"
_UNKNOWN = "this key is not known here, or was revoked: `opsin keys create` makes one"

_WHOLE_ADDRESS = re.compile(rb"https?://([^/]+)(/.*)?", re.IGNORECASE | re.DOTALL)
MOST_HEAD = 64 * 1024
"""Bytes of an address with its headers."""


class Gate(ASGIMiddleware):
    """Lets in who may ask, with what there is to ask for: a middleware, as what repeats a request comes after it.

    The key says which library is asked. Who may not ask learns nothing of any.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._parameters = KnownParameters()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Check key and parameters."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        if scope.get("method") != "OPTIONS":
            check_key(connection, self._tenants)
            self._parameters.check(connection)
        await next_app(scope, receive, send)


def check_key(connection: ASGIConnection[Any, Any, Any, Any], tenants: Tenants) -> None:
    """Refuse a request whose key does not allow what the handler needs, or which asks too often.

    Where no key is needed, one that is given says nevertheless who asks, and one that opens nothing is none.

    :raises AccessRefused: saying why; :class:`TooManyRequests` with the seconds to wait.
    """
    needs = connection.route_handler.opt.get("needs", SCOPES[-1])
    asked = asked_of(connection.scope)
    scheme, _, rest = connection.headers.get("authorization", "").partition(" ")
    secret = rest.strip() if scheme.lower() == "bearer" else connection.headers.get("x-api-key")
    found = tenants.of_key(secret)
    if found is not None:
        asked.service, asked.scope = found[0], found[1].scope
    if needs is None:
        return
    if found is None:
        raise KeyRefused(_WITHOUT if secret is None else _UNKNOWN)
    service, key = found
    service.keys.note_use(key.id)
    asked.key = key.id
    asked.headers.update(service.rates.headers(key.id))
    asked.headers.update(service.rates.take(key.id))
    key.require(needs)


class Door:
    """Stands before the whole application and refuses what is not to reach it.

    A page of any site can have a browser ask a server on this machine: by letting its own name lead here (DNS
    rebinding), which the Host header shows, or across sites, which the Origin header shows. Addresses in numbers and
    localhost cannot be rebound; other names are allowed by ``serve.hosts``, other origins by ``serve.origins``.
    A body whose length is said in two ways is refused, as what stands before this service could read it in the other.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            try:
                _check_head(scope, headers)
                _name_the_path_alone(scope, headers)
                self.check(headers.get("host", ""), headers.get("origin"))
                if scope["method"] == "OPTIONS" and "origin" in headers:
                    self._check_preflight(scope, headers)
            except (OriginRefused, UsageError) as error:
                await send_problem(describe(error, asked_of(scope).id), send)
                return
        await self._app(scope, receive, send)

    def _check_preflight(self, scope: HTTPScope, headers: Mapping[str, str]) -> None:
        """Check what a page asks before it asks; a page of this service need not, and is answered as anybody is."""
        if headers["origin"].lower() in self._origins:
            check_preflight(headers)
        else:
            scope["headers"] = [each for each in scope["headers"] if each[0] != b"origin"]

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


def _check_head(scope: HTTPScope, headers: Mapping[str, str]) -> None:
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(k) + len(v) for k, v in scope["headers"])
    if size > MOST_HEAD:
        msg = f"address and headers together have {size:,} bytes, and {MOST_HEAD:,} are allowed: send long values in the body"
        raise HeadTooLarge(msg)
    if "transfer-encoding" in headers and "content-length" in headers:
        raise UsageError("the length of the body is said in two ways: send Content-Length or Transfer-Encoding")


def _name_the_path_alone(scope: HTTPScope, headers: dict[str, str]) -> None:
    """Where the address names the service, too, as proxies are asked, go by that name (RFC 9112, section 3.2.2)."""
    whole = _WHOLE_ADDRESS.fullmatch(scope["raw_path"])
    if whole is not None:
        headers["host"] = whole[1].decode("latin-1")
        scope["raw_path"] = whole[2] or b"/"
        scope["path"] = unquote(scope["raw_path"].decode("latin-1"))


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
