"""How long each stage of taking pictures in takes, for whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Stage = Literal["read", "decode", "analyse", "store", "commit"]
"""Reading a source; decoding it; asking all plugins, waiting for them included; writing a copy; one commit of a group."""
Listener = Callable[[Stage, float], None]


class Stages:
    """Tells its listeners of each stage that ended well, in the thread that did it."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` called with the name of each stage and its seconds; it has to be quick."""
        self._listeners.append(listener)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Measure what is done in this block."""
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        for listener in self._listeners:
            listener(stage, seconds)
