"""The encoder: pictures and texts to unit vectors of one space, through the compiled towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from opsin import Compiled, Context, Encoder, Feature, Frame, View
from opsin.errors import PluginUnavailable
from opsin_clip import recipe
from opsin_clip.architecture import architecture
from opsin_clip.cards import cards, languages
from opsin_clip.tokens import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opsin_clip.names import Source
    from opsin_clip.recipe import Recipe
    from opsin_clip.torch_models import TorchModel

FITS: Mapping[str, Literal["short", "squash", "pad"]] = {"shortest": "short", "squash": "squash", "longest": "pad"}
CHUNK = 64  # texts that are tokenised and encoded at once


class OpenClipEncoder(Encoder):
    """Any model of open_clip 3.x.

    Before ``load``, ``dim`` and ``min_side`` are known from the architecture; ``view``, ``revision``, ``logit_scale``
    and ``logit_bias`` come from the checkpoint. ``logit_scale`` multiplies cosines (the exponential of the parameter).
    """

    def __init__(self, source: Source, extra: tuple[str, ...] = ()) -> None:
        self._source = source
        self._extra = extra
        self._structure = architecture(source, extra)
        self.name = source.name
        self.space = source.name
        self.revision = f"not loaded {self._structure.digest}"
        self.dim = self._structure.dim
        self.min_side = self._structure.side
        self.features = (Feature("embedding", (self.dim,)),)
        self.languages = languages(source.name)
        self._recipe: Recipe | None = None
        self._maker: _Maker | None = None
        self._pictures: Compiled | None = None
        self._texts: Compiled | None = None
        self._tokenizer: Tokenizer | None = None

    def check(self) -> None:
        """Look for the weights. Only a name without a card needs open_clip for that, which knows where its tags are."""
        if not any(card.name == self.name and card.installed for card in cards()):
            from opsin_clip.torch_models import find_weights

            find_weights(self._source, self._extra)

    def load(self, context: Context) -> None:
        """Compile the towers, or take them from the cache; then the text tower waits for the first text.

        :raises PluginUnavailable: where the weights are not on this machine, or cannot be read.
        """
        maker = _Maker(self._source, self._extra, self._structure, context)
        self._maker = maker
        self._recipe = known = maker.recipe()
        self.revision = known.revision
        if self._source.kind in {"file", "folder"}:
            self.space = f"open_clip:{self._source.model}@{known.sha256[:12]}"
        self.logit_scale = known.scale
        self.logit_bias = known.bias
        self.view = View(
            resize=known.side,
            crop=known.side,
            resampling="bilinear" if known.interpolation == "bilinear" else "bicubic",
            fit=FITS[known.resize],
            fill=known.fill,
        )
        self._pictures = maker.pictures(known)
        self.runtime = self._pictures.runtime
        if maker.built:
            self._texts = maker.texts(known)
            maker.forget()

    def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, NDArray[Any]]]:
        if self._pictures is None or self.view is None:
            raise _not_loaded(self.name)
        if not frames:
            return []
        (rows,) = self._pictures(np.stack([frame.view(self.view) for frame in frames]))
        return [{"embedding": row} for row in _unit(rows)]

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._recipe is None:
            raise _not_loaded(self.name)
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self._recipe.tokens)
        parts = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        rows = [self.encode_ids(self._tokenizer(part)) for part in parts]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *rows])

    def encode_ids(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, dim), for token ids (n, length) of the model's own tokenizer."""
        if self._maker is None or self._recipe is None:
            raise _not_loaded(self.name)
        if self._texts is None:
            self._texts = self._maker.texts(self._recipe)
            self._maker.forget()
        return _unit(self._texts(ids)[0])

    def close(self) -> None:
        self._pictures = self._texts = self._tokenizer = self._maker = None


class _Maker:
    """Makes the torch model once, and only where something is not in the cache."""

    def __init__(self, source: Source, extra: tuple[str, ...], structure: Any, context: Context) -> None:
        self._source = source
        self._extra = extra
        self._structure = structure
        self._path = context.cache / f"{source.digest}.json"
        self._context = context
        self._model: TorchModel | None = None

    @property
    def built(self) -> bool:
        """Whether the torch model is in memory."""
        return self._model is not None

    def forget(self) -> None:
        """Let go of the torch model; where torch runs it, the towers keep it."""
        self._model = None

    def pictures(self, known: Recipe) -> Compiled:
        """Return the picture tower: uint8 (n, side, side, 3) to float32 (n, dim)."""
        example = np.zeros((2, known.side, known.side, 3), np.uint8)
        return self._context.compile(lambda: self.model().image_tower(), (example,), key=known.key("pictures"))

    def texts(self, known: Recipe) -> Compiled:
        """Return the text tower: int64 token ids (n, length) to float32 (n, dim)."""
        example = np.ones((2, known.tokens.length), np.int64)
        return self._context.compile(lambda: self.model().text_tower(), (example,), key=known.key("texts"))

    def recipe(self) -> Recipe:
        known = recipe.load(self._path, name=self._source.name, architecture=self._structure.digest)
        if known is None:
            known = self.model().recipe
            recipe.save(self._path, known)
        return known

    def model(self) -> TorchModel:
        if self._model is None:
            from opsin_clip.torch_models import TorchModel

            self._context.log.info(
                "building %s: the first time on this machine takes up to a minute", self._source.name
            )
            self._model = TorchModel(self._source, self._structure, self._extra)
        return self._model


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows with length 1, float32; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def _not_loaded(name: str) -> PluginUnavailable:
    return PluginUnavailable(f"the encoder {name} is not loaded")
