"""Where a library is served, and with which key one asks there."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from opsin.library.places import Place
from opsin.services.base import checked
from opsin.services.base.layout import Layout, owner_of
from opsin.services.keeping.deployment import takes_connections
from opsin.settings import default_library, default_service


class Served(NamedTuple):
    """A service: its address, and a key that it takes, if one is known."""

    url: str
    key: str | None


def served(path: Place = None) -> Served | None:
    """Return where the process that owns a library serves it, with the key that was made with the library.

    The answer is worth something only while the library has an owner: where opening it raised :class:`LibraryBusy`.
    """
    layout = _layout(path)
    owner = owner_of(layout.root)
    return None if owner is None or owner.url is None else Served(owner.url, _admin_key(layout))


def at_work(path: Place = None) -> Served | None:
    """Return where a library is served, as :func:`served` does, where something takes connections there by now."""
    owner = owner_of(_layout(path).root)
    return served(path) if owner is not None and takes_connections(owner) else None


def service_named(url: str | None = None, key: str | None = None) -> Served | None:
    """Return the service at ``url``, else at ``OPSIN_SERVER``; None where neither is said.

    Its key is ``key``, else ``OPSIN_KEY``, else, where the library of this user is served at just that port of this
    machine, that library's own.
    """
    usual, usual_key = default_service()
    chosen = url or usual
    return None if chosen is None else Served(chosen, key or usual_key or _own_key(chosen))


def _layout(path: Place) -> Layout:
    return Layout(default_library() if path is None else checked.path(path, "the library's folder"))


def _own_key(url: str) -> str | None:
    own = served()
    if own is None or not _is_loopback(url) or _port(url) != _port(own.url):
        return None
    return own.key


def _admin_key(layout: Layout) -> str | None:
    try:
        return layout.admin_key.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None
