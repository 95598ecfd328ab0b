"""What goes on in threads of its own while a library is open: begun and ended by calls, or for the length of a `with`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """Something that goes on from :meth:`start` to :meth:`stop`, each called once, or within ``with``."""

    @abstractmethod
    def start(self) -> None:
        """Begin."""

    @abstractmethod
    def stop(self) -> None:
        """End, and return when nothing of it goes on any more."""

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.stop()
