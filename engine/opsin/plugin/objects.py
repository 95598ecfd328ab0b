"""The objects that a plugin gives to the host: extractors, encoders and categorizers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from opsin.plugin.view import View, apply_view

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from opsin.model import Declined, Label, Matches, Vocabulary


class Frame:
    """One decoded RGB image.

    ``pixels``: uint8 (h, w, 3), sRGB, upright, at least as large as every ``min_side`` asked for (where the original
    is). ``width`` and ``height``: the original's size in pixels, upright. ``number``: its place among the original's
    ``total`` frames, from 0.
    """

    __slots__ = ("_views", "height", "number", "pixels", "total", "width")

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        *,
        width: int | None = None,
        height: int | None = None,
        number: int = 0,
        total: int = 1,
        views: Mapping[View, NDArray[np.uint8]] | None = None,
    ) -> None:
        self.pixels = pixels
        self.width = int(pixels.shape[1]) if width is None else width
        self.height = int(pixels.shape[0]) if height is None else height
        self.number = number
        self.total = total
        self._views = dict(views or {})

    def view(self, view: View) -> NDArray[np.uint8]:
        """Return this frame in a model's geometry, uint8 (crop, crop, 3).

        Views that an extractor declares are made beforehand, in the process that decodes.
        """
        if view not in self._views:
            self._views[view] = apply_view(self.pixels, view, size=(self.width, self.height))
        return self._views[view]

    @property
    def views(self) -> Mapping[View, NDArray[np.uint8]]:
        """The views made so far."""
        return self._views


class Item(msgspec.Struct, frozen=True):
    """What a categorizer judges: one frame, as pixels or as the features it asked for.

    ``features`` maps a feature's name to its stored array (e.g. ``embedding``: float32 (dim,), unit length);
    ``frame`` is None unless the categorizer's ``needs`` is a ``Frames``.
    """

    features: Mapping[str, Any]
    frame: Frame | None = None


class Frames(msgspec.Struct, frozen=True):
    """Says that a categorizer needs pixels whose shorter side has at least ``min_side`` pixels."""

    min_side: int


class Feature(msgspec.Struct, frozen=True):
    """A named array that an extractor takes from a frame; ``dtype`` is how it is stored."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float16", "float32", "uint8", "uint16", "uint32"] = "float16"


class Compiled(Protocol):
    """A network ready to run. ``runtime`` is e.g. "openvino bf16" or "torch cuda bf16"."""

    runtime: str

    def __call__(self, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """Run one batch; the first axis of every input and output is the batch."""
        ...


class TextEncoder(Protocol):
    """The side of the library's encoder that categorizers may use."""

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def space(self) -> str: ...
    @property
    def dim(self) -> int: ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, dim)."""
        ...

    def background(self) -> NDArray[np.float32]:
        """Return unit rows of image vectors that stand for "any picture", float32 (m, dim); m may be 0."""
        ...


class Context(Protocol):
    """What the host lends to an object for its lifetime."""

    @property
    def config(self) -> Any:
        """The plugin's validated settings."""
        ...

    @property
    def cache(self) -> Path:
        """A folder for things that can be made again; it exists."""
        ...

    @property
    def threads(self) -> int:
        """How many threads the object may use."""
        ...

    @property
    def log(self) -> logging.Logger: ...

    @property
    def encoder(self) -> TextEncoder | None:
        """The library's encoder, for categorizers; None while the encoder itself loads."""
        ...

    def compile(
        self,
        build: Callable[[], Any],
        example: tuple[NDArray[Any], ...],
        *,
        key: str,
        precision: Literal["auto", "f32"] = "auto",
    ) -> Compiled:
        """Make a network runnable on this machine's best runtime.

        ``build`` returns the ``torch.nn.Module`` in eval mode; it is not called where the compiled form of ``key``
        (model name + hash of the weights) is in the cache, so that torch need not be imported. ``example`` holds one input batch;
        axis 0 of each input is dynamic, as is axis 1 of integer inputs (token ids). ``precision="auto"`` means bfloat16 where the machine has it.
        """
        ...


class Extractor(ABC):
    """Takes features from frames.

    ``name`` identifies it; ``features`` says what one frame yields; ``revision`` changes whenever the numbers would, and is
    known before ``load`` (only an encoder may set it there): what is stored is compared with it. ``min_side`` is the shorter side in pixels that it wants to see; ``view``, where set, is the geometry it will ask
    each frame for.
    """

    name: str
    revision: str
    features: tuple[Feature, ...]
    min_side: int = 1
    view: View | None = None

    def load(self, context: Context) -> None:
        """Load weights. Called once, before the first ``extract``, in the thread or process that will run it."""

    @abstractmethod
    def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, NDArray[Any]]]:
        """Return one mapping (feature name to array of the declared shape) per frame, in order."""

    def close(self) -> None:
        """Give memory back. Nothing is called afterwards."""


class Encoder(Extractor):
    """The extractor of ``embedding`` that also encodes text into the same space.

    ``space`` names the vector space: vectors of different spaces are not comparable. Rows have unit length.
    ``logit_scale`` and ``logit_bias`` are the checkpoint's own.
    """

    space: str
    dim: int
    languages: tuple[str, ...] = ("en",)
    logit_scale: float = 1.0
    logit_bias: float = 0.0
    runtime: str = ""

    def check(self) -> None:
        """Look whether what ``load`` needs is on this machine, without loading it; no library is made where it is not.

        :raises PluginUnavailable: naming the command that fetches what is missing.
        :raises UnknownName: where it is nowhere to be fetched from.
        """

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, dim)."""

    def background(self) -> NDArray[np.float32]:
        """Return unit rows of image vectors that stand for "any picture", float32 (m, dim).

        Scores are standardised against them; without them (m = 0) they are standardised against other texts.
        """
        import numpy as np

        return np.zeros((0, self.dim), np.float32)


class Categorizer(ABC):
    """Scores labels.

    ``id`` identifies it in reports; ``revision`` changes whenever its scores would. ``vocabulary`` holds the labels it
    may answer with, or "any". ``needs`` is a set of feature names, or ``Frames``. ``family`` names the model it rests
    on (default: its id): categorizers of one family do not count twice. ``declines`` maps labels that it cannot see
    to the reason; it is read after ``load``.
    """

    id: str
    revision: str
    vocabulary: Vocabulary | Literal["any"]
    needs: frozenset[str] | Frames
    family: str = ""
    declines: Mapping[str, str] = {}

    def load(self, context: Context) -> None:
        """Load weights. Called once, before the first ``categorize``, in the thread or process that will run it."""

    @abstractmethod
    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        """Return one answer per item, in order. Scores lie in 0..1."""

    def explain(self, item: Item, label: Label) -> Mapping[str, Any]:
        """Return what the score of ``label`` was computed from, enough to compute it again (JSON values)."""
        return {}

    def close(self) -> None:
        """Give memory back. Nothing is called afterwards."""
