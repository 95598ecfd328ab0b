"""Idempotency-Key: a request that is sent again is answered as before, and done once."""

from __future__ import annotations

import hashlib
import logging
import re

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from opsin.errors import (
    AlreadyAnswered,
    AnotherRequest,
    LibraryError,
    LimitExceeded,
    OpsinError,
    StillUnderWay,
    UsageError,
)
from opsin.services.base.answers import Answer
from opsin.web.asked import asked_of, served_by
from opsin.web.problems import problem_body
from opsin.web.service import Service

_NAME = re.compile(r"[!-~]{1,255}")
_log = logging.getLogger(__name__)


class Repeats(ASGIMiddleware):
    """Keeps the answer to each POST that changed something and has an ``Idempotency-Key``, and gives it again.

    What was refused changed nothing and is not kept, nor is an answer that tells of a picture with a problem. The answer is stored before it is sent. Between the commit of
    what a request does and the storing of its answer the process can die: then a repeat is done anew, see docs/api.md.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self) -> None:
        self._under_way: set[tuple[Service, str, str]] = set()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Answer a repeat; pass everything else on."""
        handler = scope["route_handler"]
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"idempotency-key"), None)
        if given is None or scope.get("method") != "POST" or handler.opt.get("needs") not in {"write", "admin"}:
            await next_app(scope, receive, send)
            return
        if not _NAME.fullmatch(given):
            raise UsageError(
                "an Idempotency-Key has 1 to 255 letters, digits and signs, without spaces: a UUID will do"
            )
        service, holder = served_by(scope), asked_of(scope).key or ""
        if (service, holder, given) in self._under_way:
            raise StillUnderWay("a request with this Idempotency-Key is being answered: ask again in a moment")
        self._under_way.add((service, holder, given))
        most = service.settings.serve.max_body
        try:
            kept = await service.run(lambda: service.library.answers.find(holder, given))
            hashed = _Hashed(scope, receive)
            if kept is not None:
                await hashed.rest(most)
                await _repeat(kept, hashed.fingerprint(), send)
                return
            answer = _Held(send)
            await next_app(scope, hashed, answer)
            if answer.changed and asked_of(scope).keep and await hashed.ends(most):
                new = answer.kept(hashed.fingerprint(), secret=bool(handler.opt.get("secret")))
                await service.run(lambda: _keep(service, holder, given, new))
            await answer.release()
        finally:
            self._under_way.discard((service, holder, given))


def _keep(service: Service, holder: str, name: str, answer: Answer) -> None:
    try:
        service.library.answers.keep(holder, name, answer)
    except LibraryError as error:
        _log.warning("an answer cannot be kept for a repeat of its request: %s", error)


async def _repeat(kept: Answer, fingerprint: bytes, send: Send) -> None:
    if kept.fingerprint != fingerprint:
        raise AnotherRequest("this Idempotency-Key was used for another request: take a new one for each")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers]
    headers.append((b"idempotency-replayed", b"true"))
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})


class _Hashed:
    """Receives a body and hashes it on its way: of a form its fields, as each sending draws another boundary."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.whole = False
        self.size = 0
        self._receive = receive
        kind = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")
        media, options = parse_options_header(kind)
        boundary = options.get("boundary") if media == "multipart/form-data" else None
        self._form = PushMultipartParser(boundary) if boundary else None
        self._bytes, self._fields = hashlib.sha256(), hashlib.sha256()
        self._head = (scope["path"].encode("utf-8", "surrogateescape"), scope["query_string"], media.encode())

    async def __call__(self) -> HTTPReceiveMessage:
        message = await self._receive()
        if message["type"] == "http.request":
            self._take(message.get("body", b""))
            self.whole = not message.get("more_body", False)
        return message  # type: ignore[return-value]

    async def rest(self, limit: int) -> None:
        """Read what there is to read.

        :raises LimitExceeded: where that is too much.
        """
        while not self.whole:
            await self()
            if self.size > limit:
                raise LimitExceeded("the body is larger than serve.max_body allows", limit="serve.max_body")

    async def ends(self, limit: int) -> bool:
        """Read what nobody read, and return whether that was possible."""
        try:
            await self.rest(limit)
        except OpsinError:
            return False
        return True

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the request as far as it was read: of its very bytes, where it is no whole form."""
        body = (self._fields if self._is_whole_form() else self._bytes).digest()
        return hashlib.sha256(b"".join(b"%d:%s" % (len(each), each) for each in (*self._head, body))).digest()

    def _is_whole_form(self) -> bool:
        if self._form is None:
            return False
        try:
            self._form.close()
        except MultipartError:
            return False
        return True

    def _take(self, data: bytes) -> None:
        self.size += len(data)
        self._bytes.update(data)
        if self._form is None or not data:
            return
        try:
            for event in self._form.parse(data):
                if isinstance(event, MultipartSegment):
                    for name, value in event.headerlist:
                        line = f"{name}: {value}".encode("utf-8", "surrogateescape")
                        self._fields.update(b"%d:%s" % (len(line), line))
                else:
                    self._fields.update(event or b"\0end of a part\0")
        except (MultipartError, ValueError):
            self._form = None


class _Held:
    """Holds an answer back until it is stored; an error goes out at once."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()

    @property
    def changed(self) -> bool:
        """Whether something was done."""
        return 200 <= self._status < 300

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            pairs = message.get("headers", [])
            self._headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
        if self.changed:
            self._messages.append(message)
        else:
            await self._send(message)

    def kept(self, fingerprint: bytes, *, secret: bool) -> Answer:
        """Return what is stored of it; an answer with a secret is not, and a repeat is told so."""
        if secret:
            told = "this was done already, and the secret in its answer is shown once: take away what was made, and make another"
            status, headers, body = problem_body(AlreadyAnswered(told))
            return Answer(fingerprint=fingerprint, status=status, headers=tuple(headers.items()), body=body)
        body = b"".join(each["body"] for each in self._messages if each["type"] == "http.response.body")
        return Answer(fingerprint=fingerprint, status=self._status, headers=self._headers, body=body)

    async def release(self) -> None:
        """Send what was held back."""
        for message in self._messages:
            await self._send(message)
