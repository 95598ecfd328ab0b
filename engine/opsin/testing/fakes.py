"""A deterministic encoder and categorizer without weights, for tests of plugins and of Opsin itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opsin.model import Declined, Label, Match, Matches, Vocabulary
from opsin.plugin import Categorizer, Context, Encoder, Feature, Frame, Item, View
from opsin.testing.pictures import COLOURS, GROUNDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GRID = 4
_SIDE = 32
_GROUND_WEIGHT = 0.25
_LAYOUT_WEIGHT = 0.35
_WORD = re.compile(r"[a-z0-9]+")


class FakeEncoder(Encoder):
    """Sees colours and coarse layout, and reads colour words.

    The same picture has the same vector on every machine; similar pictures are near each other; the text "a red
    square" is near red pictures. Words that are not colours point in a direction of their own, made from their hash.
    """

    name = "fake"
    revision = "fake-1"
    space = "fake"
    view = View(resize=_SIDE, crop=_SIDE, resampling="bilinear", fit="squash")
    min_side = _SIDE
    runtime = "numpy"

    def __init__(self, dim: int = 64) -> None:
        self.dim = dim
        self.features = (Feature("embedding", (dim,)),)

    def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, NDArray[Any]]]:
        """Return one embedding per frame: colour shares and the brightness of a 4 x 4 grid, projected."""
        import numpy as np

        rows = []
        for frame in frames:
            pixels = frame.view(self.view).astype(np.float32)
            apart = np.linalg.norm(pixels[:, :, None, :] - self._palette, axis=3)
            shares = np.bincount(apart.argmin(axis=2).ravel(), minlength=len(self._palette)) / (_SIDE * _SIDE)
            shares[len(COLOURS) :] *= _GROUND_WEIGHT
            shares /= np.linalg.norm(shares)
            cell = _SIDE // _GRID
            grid = pixels.mean(axis=2).reshape(_GRID, cell, _GRID, cell).mean(axis=(1, 3)).ravel() / 255 - 0.5
            rows.append(self._unit(np.concatenate([shares, _LAYOUT_WEIGHT * grid]) @ self._projection))
        return [{"embedding": row} for row in rows]

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows: colour words where their colours are, other words where their hash points."""
        import numpy as np

        rows = [self._text_row(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def _text_row(self, text: str) -> NDArray[np.float32]:
        import numpy as np

        names = [*COLOURS, *GROUNDS]
        words = _WORD.findall(text.lower()) or [""]
        colours = [self._projection[names.index(word)] for word in words if word in names]
        others = [(0.2 if colours else 1.0) * self._direction(word) for word in words if word not in names]
        return self._unit(np.sum([*colours, *others], axis=0))

    @cached_property
    def _palette(self) -> NDArray[np.float32]:
        import numpy as np

        return np.array([*COLOURS.values(), *GROUNDS.values()], np.float32)

    @cached_property
    def _projection(self) -> NDArray[np.float32]:
        """Orthonormal rows (with the default dim), so that what is apart stays apart: float32 (inputs, dim)."""
        import numpy as np

        inputs = len(COLOURS) + len(GROUNDS) + _GRID * _GRID
        square = np.random.default_rng(20240229).standard_normal((self.dim, max(inputs, self.dim)))
        basis = np.linalg.qr(square)[0].T if self.dim >= inputs else square.T / np.sqrt(self.dim)
        rows: NDArray[np.float32] = np.ascontiguousarray(basis[:inputs], dtype=np.float32)
        return rows

    def _direction(self, word: str) -> NDArray[np.float32]:
        import numpy as np

        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        return self._unit(np.random.default_rng(seed).standard_normal(self.dim))

    @staticmethod
    def _unit(row: NDArray[Any]) -> NDArray[np.float32]:
        import numpy as np

        unit: NDArray[np.float32] = (row / max(float(np.linalg.norm(row)), 1e-12)).astype(np.float32)
        return unit


class FakeCategorizer(Categorizer):
    """Scores the colours of ``COLOURS`` by the similarity of embedding and colour word: 0.5 at a cosine of 0.5.

    It works with any encoder that a context lends; with ``FakeEncoder`` it is right about plain pictures.
    """

    revision = "fake-1"
    needs = frozenset({"embedding"})

    def __init__(self, id: str = "fake", labels: Sequence[str] = tuple(COLOURS)) -> None:  # noqa: A002 - its contract name
        self.id = id
        self.vocabulary = Vocabulary(
            name=id, summary="Colours, for tests", labels=tuple(Label(id=label, group="colour") for label in labels)
        )
        self._labels = tuple(labels)
        self._texts: NDArray[np.float32] | None = None

    def load(self, context: Context) -> None:
        """Encode the labels with the context's encoder."""
        encoder = context.encoder
        self._texts = (
            None if encoder is None else encoder.encode_texts([each.replace("_", " ") for each in self._labels])
        )

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        """Return every label's score for each item; declined where the context lent no encoder."""
        import numpy as np

        if self._texts is None:
            return [Declined("there is no encoder") for _ in batch]
        # one item at a time: a product of another batch size would differ in the last digit
        cosines = np.stack([self._texts @ item.features["embedding"] for item in batch])
        scores = 1 / (1 + np.exp(-12 * (cosines - 0.5)))
        return [
            Matches(tuple(Match(label, float(score)) for label, score in zip(self._labels, row, strict=True)))
            for row in scores
        ]

    def explain(self, item: Item, label: Label) -> Mapping[str, Any]:
        """Return the cosine, and the slope and middle of the sigmoid that makes the score of it."""
        if self._texts is None or label.id not in self._labels:
            return {}
        cosine = float(item.features["embedding"] @ self._texts[self._labels.index(label.id)])
        return {"text": label.id.replace("_", " "), "cosine": cosine, "slope": 12.0, "middle": 0.5}
