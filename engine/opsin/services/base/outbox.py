"""What webhooks want to hear of, kept in memory: where nobody listens nothing is written, nor asked."""

from __future__ import annotations

import threading
from typing import get_args

import msgspec

from opsin.catalogue import Catalogue, outbox
from opsin.model import EventKind

KINDS: tuple[EventKind, ...] = get_args(EventKind)
_patterns = msgspec.json.Decoder(tuple[str, ...])


class Outbox:
    """Which kinds of events some webhook wants. Only the owner of a library changes its webhooks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._wanted: frozenset[str] | None = None

    def forget(self) -> None:
        """Ask again: the webhooks changed."""
        with self._lock:
            self._wanted = None

    def wants(self, kind: EventKind) -> bool:
        """Whether some webhook wants to hear of events of this kind."""
        with self._lock:
            if self._wanted is None:
                with self._catalogue.read() as connection:
                    found = [_patterns.decode(each.events) for each in outbox.webhooks(connection)]
                self._wanted = frozenset(kind for kind in KINDS for each in found if matches(kind, each))
            return kind in self._wanted


def matches(kind: str, patterns: tuple[str, ...]) -> bool:
    """Whether an event is of one of these kinds: ``asset.added``, ``asset.*`` for all of assets, ``*`` for all."""
    return any(each in {"*", kind} or each == f"{kind.partition('.')[0]}.*" for each in patterns)
