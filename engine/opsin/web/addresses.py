"""What is wrong with an address that leads nowhere, and what may be sent to one that does not know a method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types.internal_types import PathParameterDefinition

from opsin.web.parameters import PARAMETERS

_EVERYWHERE = {"HEAD", "OPTIONS"}


def nothing_here(request: Request[Any, Any, Any]) -> str:
    """Say why there is nothing at an address: where an id is meant and another word stands, what is meant."""
    segments = [each for each in request.scope["path"].split("/") if each]
    for route in request.app.routes:
        for name, given in _misfits(route.path_components, segments):
            if told := PARAMETERS.get(name):
                return f"{given[:100]!r} is no id: here stands {told[:1].lower()}{told[1:]}"
    return "there is nothing at this address: /v1/docs shows what there is"


def _misfits(components: Sequence[str | PathParameterDefinition], segments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a route with what is no value of them, where all else of an address is as it should be."""
    pairs = [*zip(components, segments, strict=False)]
    if len(components) != len(segments) or any(isinstance(meant, str) and meant != given for meant, given in pairs):
        return
    for meant, given in pairs:
        if not isinstance(meant, str) and meant.type is UUID and not _is_uuid(given):
            yield meant.name, given


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def methods_of(error: HTTPException) -> list[str]:
    """Return the methods that an address knows which was asked with another, sorted."""
    return with_head({each.strip() for each in (error.headers or {}).get("allow", "").split(",")})


def with_head(methods: Set[str]) -> list[str]:
    """Return methods, sorted, with HEAD where there is GET: it is answered as GET would be, without the body."""
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def wrong_method(error: HTTPException) -> str:
    """Say what may be sent to an address instead."""
    known = [each for each in methods_of(error) if each not in _EVERYWHERE]
    return f"this address does not know the method: send {' or '.join(known)}"
