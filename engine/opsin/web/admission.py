"""Which bodies are taken in: of a kind that is read here, and while there is room for what has pictures or is large."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from multipart import parse_options_header

from opsin.errors import WrongMediaType
from opsin.web.asked import served_by

PICTURES = {"pictures": True}
"""Said of a handler all of whose requests have pictures."""
LARGE = 256 * 1024
"""Bytes of a body from which on a request takes a place, whatever it asks for: so much is held in memory for each."""


class Admission(ASGIMiddleware):
    """Refuses what is of another kind than a handler reads, and holds a place for what takes memory, before it is read."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Check what the head says of the body.

        :raises WrongMediaType: where it is of another kind, or packed; :class:`Overloaded` where all places are taken.
        """
        handler = scope["route_handler"]
        if (packed := _header(scope, b"content-encoding").strip().lower()) not in {"", "identity"}:
            msg = f"the body is read as it comes, and not unpacked from {packed[:100]!r}: send it without Content-Encoding"
            raise WrongMediaType(msg)
        if getattr(handler, "parsed_data_field", None) is not None:
            require_json(media_of(scope))
        if not handler.opt.get("pictures") and not _is_large(scope):
            await next_app(scope, receive, send)
            return
        with served_by(scope).admitted():
            await next_app(scope, receive, send)


def media_of(scope: Scope) -> str:
    """Return the kind of a body, "" where nothing is said."""
    return str(parse_options_header(_header(scope, b"content-type"))[0])


def is_json(media: str) -> bool:
    """Whether a body of this kind is JSON."""
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def require_json(media: str, besides: str = "") -> None:
    """Check that a body is JSON, or that nothing else is said.

    :raises WrongMediaType: where it is of another kind; ``besides`` names those that will do, too.
    """
    if media and not is_json(media):
        msg = f"the body is read as application/json{besides}, not as {media[:100]!r}: say so in Content-Type"
        raise WrongMediaType(msg)


def _is_large(scope: Scope) -> bool:
    length = _header(scope, b"content-length")
    form = media_of(scope) == "multipart/form-data"
    return bool(_header(scope, b"transfer-encoding")) or (length.isdecimal() and int(length) > (0 if form else LARGE))


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")
