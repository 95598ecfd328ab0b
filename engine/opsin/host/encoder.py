"""The side of the library's encoder that the rest of Opsin and the categorizers use, from any thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from opsin.host.lane import Lane
from opsin.host.target import Job
from opsin.plugin import Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsin.errors import PluginError


class EncoderProxy:
    """The encoder in its lane. Every attribute but ``name``, ``space`` and ``dim`` loads it first.

    Methods run in the encoder's own thread and raise PluginError where it is out of use or fails.
    """

    def __init__(self, lane: Lane, item: Encoder) -> None:
        self._lane = lane
        self._item = item
        self._background: NDArray[np.float32] | None = None

    @property
    def name(self) -> str:
        return self._item.name

    @property
    def space(self) -> str:
        return self._item.space

    @property
    def dim(self) -> int:
        return self._item.dim

    @property
    def revision(self) -> str:
        self.ensure()
        return self._lane.target.revision

    @property
    def runtime(self) -> str:
        self.ensure()
        return self._lane.target.runtime

    @property
    def languages(self) -> tuple[str, ...]:
        return self._item.languages

    def ensure(self) -> None:
        """Load the encoder where it is not loaded.

        :raises PluginError: where it cannot be loaded or is out of use.
        """
        if not self._lane.loaded:
            self._ask("ready")

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, dim)."""
        rows: NDArray[np.float32] = self._ask("encode_texts", list(texts))
        return rows

    def background(self) -> NDArray[np.float32]:
        """Return unit rows of image vectors that stand for "any picture", float32 (m, dim); asked once."""
        if self._background is None:
            self._background = self._ask("background")
        return self._background

    def _ask(self, method: str, *arguments: Any) -> Any:
        if self._lane.runner.is_current:
            return self._lane.direct(method, arguments)
        return ask(self._lane, method, *arguments).result()


def ask(lane: Lane, method: str, *arguments: Any) -> Future[Any]:
    """Have ``method`` called in the lane's thread; "ready" only loads the object."""
    future: Future[Any] = Future()

    def settle(answer: Any, error: PluginError | None) -> None:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)

    lane.put([Job(arguments, settle, method)])
    return future
