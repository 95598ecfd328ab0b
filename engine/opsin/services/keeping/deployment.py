"""What `opsin doctor` looks at where a library is served: who can read it and its keys, and whether its service answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from opsin.services.base.layout import Layout, Owner

_OTHERS = 0o077
_STRANGERS = 0o007
_ENTER = 0o001
_PATIENCE = 3.0
"""Seconds in which a service of this machine has to take a connection."""


def exposed_keys(layout: Layout) -> Iterator[str]:
    """Yield the files of keys that others than their owner may read or write."""
    for path in (layout.admin_key, layout.keys):
        if path.exists() and path.stat().st_mode & _OTHERS:
            yield str(path)


def is_exposed(layout: Layout) -> bool:
    """Whether anybody on this machine can look into the library: its folder, and all that lead there, let them."""
    folders = [layout.root.resolve(), *layout.root.resolve().parents]
    return bool(folders[0].stat().st_mode & _STRANGERS) and all(each.stat().st_mode & _ENTER for each in folders)


def takes_connections(owner: Owner) -> bool:
    """Whether something listens where the owner of a library said that it serves it."""
    try:
        address = urlsplit(owner.url or "")
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=_PATIENCE):
            return True
    except (OSError, ValueError):
        return False
