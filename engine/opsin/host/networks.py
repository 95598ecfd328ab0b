"""The compiled networks that several hosts of one process share: their weights are in memory once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakValueDictionary


class Networks:
    """Compiled networks by what they were compiled from and for; one that nobody holds any more is gone.

    Nothing but the network itself is shared: each host has its own requests, queues and threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the network of ``key``, which ``make`` compiles where there is none; one is compiled at a time."""
        with self._lock:
            found = self._made.get(key)
            if found is None:
                found = self._made[key] = make()
            return found
