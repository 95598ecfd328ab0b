"""One request as it is noted beside the framework: its id, whose it is, and what its answer carries besides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from litestar.types import HTTPScope, Scope

from opsin.catalogue.ids import new_id
from opsin.errors import KeyRefused

if TYPE_CHECKING:
    from opsin.services.base.keys import Scope as KeyScope
    from opsin.web.service import Service

_SANE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_NAME = "opsin_asked"


@dataclass(slots=True)
class Asked:
    """``id``: the caller's own where it is sane, else a new UUIDv7; ``headers``: what the answer carries besides.

    ``service``: the library that is asked, None until a key says which; ``scope``: what that key allows. ``keep``: whether
    its answer may be kept for a repeat of the request.
    """

    id: str
    service: Service | None = None
    scope: KeyScope | None = None
    key: str | None = None
    keep: bool = True
    headers: dict[str, str] = field(default_factory=dict)


def note(scope: HTTPScope) -> Asked:
    """Begin the notes of a request."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    asked = Asked(given.decode("ascii") if _SANE.fullmatch(given) else new_id())
    _state(scope)[_NAME] = asked
    return asked


def asked_of(scope: Scope) -> Asked:
    """Return the notes of a request."""
    found: Asked = _state(scope)[_NAME]
    return found


def served_by(scope: Scope) -> Service:
    """Return the library that is asked.

    :raises KeyRefused: where there are several, and no key says which.
    """
    found = asked_of(scope).service
    if found is None:
        raise KeyRefused(
            "this needs a key, which says what is asked: send `Authorization: Bearer KEY` or `X-Api-Key: KEY`"
        )
    return found


def route_of(scope: Scope) -> str:
    """Return the address as it is declared, with names where ids stand, so that it tells nothing of a request."""
    return str(scope.get("path_template") or "none")


def _state(scope: Scope) -> dict[str, Any]:
    state: dict[str, Any] = scope.setdefault("state", {})
    return state
