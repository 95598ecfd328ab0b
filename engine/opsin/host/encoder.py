"""The side of the library's encoder that the rest of Opsin and the categorizers use, from any thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from opsin.errors import PluginError
from opsin.host.lane import Lane
from opsin.host.messages import EncoderFacts
from opsin.host.runner import clock_stopped
from opsin.host.target import Job
from opsin.plugin import Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class EncoderProxy:
    """The encoder in its lane, loaded only when its networks are needed.

    Methods run in the encoder's own thread and raise PluginError where it is out of use or fails. ``made_by`` says which
    encoder made the vectors that are stored: while this one is not loaded it is taken to be that one, so that stored
    vectors are scored with stored texts without loading anything; once loaded, it gives no vectors if it is another.
    """

    def __init__(self, lane: Lane, item: Encoder, made_by: EncoderFacts | None = None) -> None:
        self._lane = lane
        self._item = item
        self._made_by = made_by
        self._background: NDArray[np.float32] | None = None

    @property
    def name(self) -> str:
        return self._item.name

    @property
    def loaded(self) -> bool:
        """Whether its networks are in memory."""
        return self._lane.loaded

    @property
    def after(self) -> float | None:
        """The seconds after which it makes sense to ask again; None while it is in use."""
        return self._lane.health.after if self._lane.health.rests else None

    @property
    def space(self) -> str:
        known = self._made_by
        return self._item.space if known is None or self._lane.loaded else known.space

    @property
    def dim(self) -> int:
        return self._item.dim

    @property
    def revision(self) -> str:
        """The revision of the stored vectors' encoder while this one is not loaded, else its own; loads it if neither is known."""
        if self._made_by is not None and not self._lane.loaded:
            return self._made_by.revision
        self.ensure()
        return self._lane.target.revision

    @property
    def facts(self) -> EncoderFacts:
        """What identifies the vectors that it makes."""
        return EncoderFacts(name=self.name, revision=self.revision, space=self.space, dim=self.dim)

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

    def ensure_known(self) -> None:
        """Load the encoder where nobody knows yet which vectors it makes.

        :raises PluginError: as :meth:`ensure`.
        """
        if self._made_by is None:
            self.ensure()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, dim)."""
        self._require_same()
        rows: NDArray[np.float32] = self._ask("encode_texts", list(texts))
        return rows

    def background(self) -> NDArray[np.float32]:
        """Return unit rows of image vectors that stand for "any picture", float32 (m, dim); asked once."""
        if self._background is None:
            self._require_same()
            self._background = self._ask("background")
        return self._background

    def _require_same(self) -> None:
        """Load it, and check that its vectors can be compared with those that are stored."""
        self.ensure()
        if self._made_by not in (None, self.facts):
            msg = f"the encoder {self.name!r} has another revision than the one that made the stored vectors"
            raise PluginError(msg)

    def _ask(self, method: str, *arguments: Any) -> Any:
        if self._lane.runner.is_current:
            raise RuntimeError("the encoder's own thread would wait for itself")
        with clock_stopped():
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
