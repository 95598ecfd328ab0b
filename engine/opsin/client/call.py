"""What a client sends, and how an answer is read: plain values, nothing of the network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from opsin import errors
from opsin.errors import LimitExceeded, OpsinError, PluginError, Refused, UnknownName, Unreachable
from opsin.services.base import checked

T = TypeVar("T")
_KINDS: Mapping[str, type[OpsinError]] = {
    each.code: each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, OpsinError)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request. ``read`` makes the answer of a response that is no error.

    ``refused``, if given, makes the answer where a picture is refused or a plugin fails, which is raised otherwise.
    ``changes`` says that it changes something: it is sent with an Idempotency-Key, so that it may be sent again.
    ``files`` are (field, (name, bytes, media type)); ``also`` are statuses of errors that are answers here.
    ``into`` is a file that takes the body as it comes.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    refused: Callable[[OpsinError], T] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    data: Mapping[str, Any] | None = None
    files: Sequence[tuple[str, tuple[str | None, bytes, str | None]]] = ()
    changes: bool = False
    also: Collection[int] = ()
    into: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One of many things that a flow yields to the caller."""

    value: T


Flow = Generator[Call[Any] | Item[T], Any, None]
"""Requests and items in turn, the same for both clients: a :class:`Call` is sent, and the generator is sent its answer;
an :class:`Item` goes to the caller."""


def as_kind(kind: type[T]) -> Callable[[httpx.Response], T]:
    """Return what reads the whole body of a response as a ``kind``."""
    decoder = msgspec.json.Decoder(kind)
    return lambda response: decoder.decode(response.content)


def only_where(expected: Collection[str] | None) -> Mapping[str, str]:
    """Return the headers that let a change be made only where the ``ETag`` is one of those ``expected``; None: any."""
    return {} if expected is None else {"If-Match": ", ".join(f'"{each}"' for each in expected) or '""'}


def in_field(name: str, kind: type[T]) -> Callable[[httpx.Response], T]:
    """Return what reads one field of a response's body as a ``kind``."""
    fields, decoder = msgspec.json.Decoder(dict[str, msgspec.Raw]), msgspec.json.Decoder(kind)
    return lambda response: decoder.decode(fields.decode(response.content)[name])


def address(*segments: str) -> str:
    """Return where the service has what these segments name, from /v1 on; whatever they hold, they lead nowhere else.

    :raises UnknownName: for a segment that would: nothing is called so.
    :raises UsageError: for one that is no whole text.
    """
    for each in segments:
        if checked.text(each, "a name") in {"", ".", ".."} or "/" in each:
            msg = (
                f"nothing is called {each[:100]!r}: a name in an address is not empty, no dots alone, and has no slash"
            )
            raise UnknownName(msg)
    return "/v1/" + "/".join(quote(each, safe="") for each in segments)


def answer_of(call: Call[T], response: httpx.Response) -> T:
    """Return what a call answers.

    :raises OpsinError: where the service refuses it.
    :raises Unreachable: where the answer is none of Opsin's.
    """
    if response.is_success or response.status_code in call.also:
        try:
            return call.read(response)
        except (msgspec.MsgspecError, ValueError, KeyError) as broken:
            raise _another(response, str(broken)) from broken
    error = refusal(response)
    if call.refused is not None and isinstance(error, Refused | PluginError):
        return call.refused(error)
    raise error


def refusal(response: httpx.Response) -> OpsinError:
    """Return the error that a response tells of (RFC 9457): of the class that the library itself would have raised.

    One without a code is not Opsin's, but that of a proxy or of another web server.
    """
    answered = f"{response.status_code} {response.reason_phrase}"
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = {}
    if not problem.get("code"):
        elsewhere = response.headers.get("Location")
        return _another(response, answered if elsewhere is None else f"{answered}, to {elsewhere[:200]}")
    told = str(problem.get("detail") or f"the service answered {answered}")
    return error_of(str(problem["code"]), told, problem.get("limit"))


def _another(response: httpx.Response, why: str) -> Unreachable:
    """Return the error for an answer of something else than this Opsin."""
    place = response.url.copy_with(query=None)
    return Unreachable(
        f"what {place} answers is none of Opsin's answers ({why}): is it `opsin serve`, of the same version?"
    )


def error_of(code: str, message: str, limit: object) -> OpsinError:
    """Return the error of a code, an :class:`OpsinError` where nothing is known by it."""
    kind = _KINDS.get(code, OpsinError)
    found = LimitExceeded(message, limit="") if kind is LimitExceeded else kind(message)
    found.limit = str(limit) if limit else found.limit
    return found


def step(flow: Flow[T], answer: object = None) -> Call[Any] | Item[T] | None:
    """Return what a flow yields next, given the answer of the call that it yielded before; None at its end."""
    try:
        return flow.send(answer)
    except StopIteration:
        return None
