"""Counts the frames under way, so that a plugin slower than the uploads does not pile them up without end."""

from __future__ import annotations

import threading

from opsin.errors import Overloaded, PluginError


class Room:
    """Lets in at most ``limit`` frames at a time; one content with more is let in alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = 0
        self._closed = False
        self._changed = threading.Condition()

    def enter(self, count: int, *, wait: bool) -> None:
        """Take room for ``count`` frames; ``wait`` waits for it.

        :raises Overloaded: where there is none and ``wait`` is False.
        :raises PluginError: where the host is closed.
        """
        with self._changed:
            while self._inside and self._inside + count > self._limit and not self._closed:
                if not wait:
                    msg = f"{self._inside} frames are under way and host.queue allows {self._limit}; try again later"
                    raise Overloaded(msg, limit="host.queue")
                self._changed.wait()
            if self._closed:
                raise PluginError("the plugin host is closed")
            self._inside += count

    def leave(self, count: int) -> None:
        """Give the room of ``count`` frames back."""
        with self._changed:
            self._inside -= count
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
