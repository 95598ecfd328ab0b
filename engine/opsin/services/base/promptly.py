"""Takes from something that may keep its reader waiting, e.g. a pipe, so that what was taken before need not wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 64
"""So many are read ahead."""
_MOMENT = 0.02
"""Seconds after which none has come."""


class _End:
    """The last thing that the reading thread says: why it ended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def promptly(items: Iterable[T]) -> Generator[T | None, None, None]:
    """Yield ``items`` as they come, and None each time that none came for a moment.

    They are read in a thread of their own, which is left behind where nothing comes any more.
    """
    arrived: queue.Queue[T | _End] = queue.Queue(_AHEAD)
    stop = threading.Event()
    threading.Thread(target=_read, args=(items, arrived, stop), name="opsin-names", daemon=True).start()
    try:
        while True:
            try:
                item = arrived.get(timeout=_MOMENT)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()


def _read(items: Iterable[T], arrived: queue.Queue[T | _End], stop: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(arrived, item, stop):
                return
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is raised where the items are taken
        end = _End(error)
    _put(arrived, end, stop)


def _put(arrived: queue.Queue[T | _End], item: T | _End, stop: threading.Event) -> bool:
    """Wait for room; return False where nobody takes any more."""
    while not stop.is_set():
        try:
            arrived.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
