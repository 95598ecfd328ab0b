"""What pages of other sites may send and read (serve.origins), as browsers ask before they send it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from litestar.config.cors import CORSConfig
from litestar.types import Method

from opsin.errors import UsageError

_METHODS: Final[tuple[Method, ...]] = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Api-Key",
    "X-Request-Id",
)
_SIMPLE = ("Accept", "Accept-Language", "Content-Language", "Range")
"""What browsers need not ask for, and some ask for nevertheless (https://fetch.spec.whatwg.org/#cors-safelisted-request-header)."""
_READ = (
    "Allow",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)


def cors(origins: Sequence[str]) -> CORSConfig:
    """Let pages of ``origins`` ask; the key comes in a header, so that cookies play no part."""
    return CORSConfig(
        allow_origins=[origin.rstrip("/") for origin in origins],
        allow_methods=[*_METHODS],
        allow_headers=[*_SENT, *_SIMPLE],
        expose_headers=[*_READ],
    )


def check_preflight(headers: Mapping[str, str]) -> None:
    """Check what a page is about to send, which its browser asks for with OPTIONS.

    :raises UsageError: naming what may be sent.
    """
    method = headers.get("access-control-request-method", "")
    if method and method not in _METHODS:
        msg = f"pages may not use the method {method[:100]!r} here: there are {', '.join(_METHODS)}"
        raise UsageError(msg)
    known = {each.lower() for each in (*_SENT, *_SIMPLE)}
    for each in headers.get("access-control-request-headers", "").split(","):
        if (name := each.strip().lower()) and name not in known:
            msg = f"pages may not send the header {name[:100]!r} here: there are {', '.join(_SENT)}"
            raise UsageError(msg)
