"""Where an object lives, and what the host may ask of it there; what waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from opsin.errors import PluginError

if TYPE_CHECKING:
    from opsin.host.local import PluginObject
    from opsin.model import Vocabulary

Settle = Callable[[Any, PluginError | None], None]


class Target(Protocol):
    """An object in this process or in a child; ``isolated`` says which, ``item`` is the object as it was declared.

    Errors are fragments that go on after "the categorizer 'x' of the plugin 'y'".
    """

    isolated: bool
    item: PluginObject

    @property
    def revision(self) -> str: ...
    @property
    def runtime(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def declines(self) -> dict[str, str]: ...
    @property
    def vocabulary(self) -> Vocabulary | None:
        """The labels that a categorizer may answer with; None means any."""
        ...

    def load(self) -> None:
        """Load the object, again where it failed or was killed."""
        ...

    def run(self, payloads: Sequence[Any]) -> list[Any]:
        """Return one checked answer per payload: frames for extractors, items for categorizers.

        :raises ContractBroken: where the answer is wrong.
        :raises PluginError: where the object raises.
        """
        ...

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        """Call another method of the object and return its checked answer."""
        ...

    def kill(self) -> None:
        """End the call that runs, from another thread, where that is possible."""
        ...

    def close(self) -> None: ...


class ProcessLostError(PluginError):
    """The child process of an isolated object ended during a call."""


class Job:
    """One thing that waits for an object: an item of a batch, or a call of another method (``method`` is set)."""

    __slots__ = ("_settle", "method", "payload")

    def __init__(self, payload: Any, settle: Settle, method: str = "") -> None:
        self.payload = payload
        self.method = method
        self._settle: Settle | None = settle

    def settle(self, answer: Any, error: PluginError | None) -> None:
        """Give whoever waits the answer, or the error; only the first one counts."""
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(answer, error)
