"""The outermost layer: every request gets an id, a line in the log and its share of the numbers, whatever becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

from opsin.errors import BodyTooSlow, ClientGone
from opsin.web.asked import Asked, note, route_of
from opsin.web.caching import say_whose

if TYPE_CHECKING:
    from opsin.web.service import Service

_MOST_DISCARDED = 8 * 1024 * 1024
_LONGEST_DISCARD = 1.0
"""Bytes and seconds of a body that is refused."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Seen(NamedTuple):
    """One request that was answered. ``route``: the address as it is declared; ``seconds``: until the last byte went.

    ``service``: the library that its key opened.
    """

    method: str
    route: str
    status: int
    seconds: float
    bytes: int
    key: str | None
    id: str
    service: Service | None


class Reception:
    """Notes each request, tells ``observers`` of it when it is done, and waits no longer than ``patience`` for a body.

    HEAD is answered as GET would be, without the body. :attr:`ending` is called when the server begins to stop, for answers
    that would go on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        patience: float,
        observers: Sequence[Callable[[Seen], None]],
        ending: Callable[[], None],
    ) -> None:
        self._app = app
        self.patience = patience
        self._observers = observers
        self.ending = ending
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        method = str(scope["method"])
        if method == "HEAD":
            scope["method"] = "GET"
        body = _Body(scope, receive, self.patience)
        answer = _Answer(note(scope), send, body, without_body=method == "HEAD")
        began = time.perf_counter()
        self.under_way += 1
        try:
            await self._app(scope, body, answer)
        finally:
            self.under_way -= 1
            self._tell(scope, method, answer, time.perf_counter() - began)

    def _tell(self, scope: HTTPScope, method: str, answer: _Answer, seconds: float) -> None:
        seen = Seen(
            method=method if method in _METHODS else "OTHER",
            route=route_of(scope),
            status=answer.status,
            seconds=seconds,
            bytes=answer.bytes,
            key=answer.asked.key,
            id=answer.asked.id,
            service=answer.asked.service,
        )
        for observer in self._observers:
            observer(seen)


class _Answer:
    """Sends an answer on, with the headers that all have, and counts it. ``status`` is 0 where none was begun.

    Where it comes before the whole body was read, the connection ends with it: nothing more of the body is waited for.
    """

    def __init__(self, asked: Asked, send: Send, body: _Body, *, without_body: bool) -> None:
        self.asked = asked
        self._body = body
        self.status = 0
        self.bytes = 0
        self._send = send
        self._without_body = without_body
        self._over = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableScopeHeaders.from_message(message)
            for name, value in self.asked.headers.items():
                headers[name] = value
            headers["X-Request-Id"] = self.asked.id
            headers["X-Content-Type-Options"] = "nosniff"
            say_whose(headers)
            if self._body.unread:
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            if self._over:
                return
            if self._without_body:  # an answer that goes on, as events do, is over at once
                message["body"], message["more_body"] = b"", False
                self._over = True
            self.bytes += len(message["body"])
            if self._body.unread and not message.get("more_body", False):
                await self._send({**message, "more_body": True})
                await self._body.discard()
                message["body"] = b""
        await self._send(message)


class _Body:
    """Receives a body: what does not arrive in time, or breaks off, is an error that says so."""

    def __init__(self, scope: HTTPScope, receive: Receive, patience: float) -> None:
        headers = dict(scope["headers"])
        self._receive = receive
        self._patience = patience
        self._until: float | None = None
        self._whole = b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0"
        self._asked_for = b"expect" not in headers

    @property
    def unread(self) -> bool:
        """Whether there is more of it than was read."""
        return not self._whole

    async def discard(self) -> None:
        """Take a little of what nobody reads: a client that sends all before it reads would else lose the answer."""
        left = _MOST_DISCARDED
        with suppress(TimeoutError, ClientGone, BodyTooSlow):
            async with asyncio.timeout(_LONGEST_DISCARD):
                while self._asked_for and not self._whole and left > 0:
                    message = await self()
                    left -= len(message.get("body", b"")) if message["type"] == "http.request" else left

    async def __call__(self) -> HTTPReceiveMessage:
        if self._whole:
            return await self._receive()  # type: ignore[return-value]
        self._asked_for = True
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._patience
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            msg = f"the body took more than {self._patience:g} seconds (serve.body_timeout)"
            raise BodyTooSlow(msg) from error
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away in the middle of its body")
        self._whole = message["type"] == "http.request" and not message.get("more_body", False)
        return message  # type: ignore[return-value]
