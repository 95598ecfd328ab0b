"""Names of what is shown (ETag), and what a request says about those that it knows (RFC 9110, sections 8.8 and 13)."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any, TypeVar

from litestar import Request, Response

T = TypeVar("T")
_ASKING = ("Origin", "Authorization", "X-Api-Key")
"""The headers that say who asks: the site whose page it is, and the key."""
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def named(header: str | None) -> frozenset[str] | None:
    """Return the tags of If-Match or If-None-Match; None where any will do, as where nothing is said."""
    if header is None or header.strip() == "*":
        return None
    return frozenset(_TAG.findall(header))


def headers_for(tag: str, *, cache: str = "private, no-cache") -> dict[str, str]:
    """Return the headers that let a caller ask whether it has the newest."""
    return {"ETag": f'"{tag}"', "Cache-Control": cache}


def say_whose(headers: MutableMapping[str, str]) -> None:
    """Say that an answer is for its key alone, as one address shows each library its own.

    A browser in which two keys are used would else take the answer to the one for the other's, and a cache before the
    service anybody's, as caches know `Authorization` for a secret but not `X-Api-Key`.
    """
    cache = headers.get("Cache-Control", "")
    if cache.startswith("public"):
        return
    headers["Cache-Control"] = cache or "private, no-cache"
    told = [each.strip() for each in headers.get("Vary", "").split(",") if each.strip()]
    headers["Vary"] = ", ".join(dict.fromkeys([*told, *_ASKING]))


def is_known(request: Request[Any, Any, Any], tag: str) -> bool:
    """Whether the caller has what is called ``tag`` already."""
    header = request.headers.get("if-none-match")
    return header is not None and (header.strip() == "*" or tag in (named(header) or ()))


def known_or(request: Request[Any, Any, Any], tag: str, value: T, *, cache: str = "private, no-cache") -> Response[T]:
    """Answer with a value, or 304 where the caller has what is called ``tag``."""
    headers = headers_for(tag, cache=cache)
    if is_known(request, tag):
        nothing: Any = None
        return Response(nothing, status_code=304, headers=headers)
    return Response(value, headers=headers)
