"""The starter encoder: loads its two networks and its space, and turns frames and texts into vectors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from opsin import Encoder, Feature, View
from opsin.errors import PluginUnavailable
from opsin_starter.dictionary import Dictionary, class_texts, subject
from opsin_starter.space import DIM, Space, load_space, make_space, unit
from opsin_starter.texts import WIDTH, TextSide, beginning
from opsin_starter.weights import Weights, class_info_folder, locate, revision_of, verify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from opsin import Compiled, Context, Frame
    from opsin_starter import StarterConfig

# Raise it whenever the networks are built otherwise: their compiled forms are kept under it.
NETWORKS = 1
# Raise it whenever the same weights would give other numbers.
ALGORITHM = 5
# 297 x 0.875 = 260: EfficientNet-Lite2's input and centre crop.
VIEW = View(resize=297, crop=260, resampling="bicubic")
TOP = 64
# How much the definitions of a text's nouns weigh beside the text itself.
DEFINITION_WEIGHT = 1.5


class StarterEncoder(Encoder):
    """EfficientNet-Lite2 and MiniLM in one space (ConSE, Norouzi et al. 2014).

    ``embedding``: float16 (512,) unit row, the text side first, the visual side after it. ``classes``: float16
    (64, 2), pairs of ImageNet class number (0..999) and natural log-probability, the likeliest first.
    """

    name = "starter"
    features = (Feature("embedding", (DIM,), "float16"), Feature("classes", (TOP, 2), "float16"))
    view = VIEW
    min_side = VIEW.min_side
    dim = DIM
    languages = ("en",)

    def __init__(self, config: StarterConfig) -> None:
        self._config = config
        self._weights: Weights | None = None
        self._digest = ""
        self.revision, self.space = f"{ALGORITHM}-missing", "starter"
        with contextlib.suppress(PluginUnavailable):
            self._find()
        self._image: Compiled | None = None
        self._text: TextSide | None = None
        self._space: Space | None = None
        self._dictionary: Dictionary | None = None
        # The definitions met so far: at most the dictionary's 21,844, 34 MB. They are longer than most queries.
        self._senses: dict[str, NDArray[np.float32]] = {}

    def _find(self) -> Weights:
        """Find the weights; they give the revision and, where they are the user's own, a space of their own."""
        weights = self._weights = locate(self._config)
        self._digest = revision_of(weights)
        self.revision = f"{ALGORITHM}-{self._digest}"
        self.space = f"starter:{self._digest}" if None in weights.sources else "starter"
        return weights

    @property
    def text_side(self) -> TextSide:
        """The text network, once loaded."""
        if self._text is None:
            raise PluginUnavailable("the starter encoder was used before it was loaded")
        return self._text

    def load(self, context: Context) -> None:
        """Check and load the weights; the first time, also compile them and work the space out (seconds).

        :raises PluginUnavailable: where a weight file is missing.
        :raises Damaged: where one is not what was published.
        """
        weights = self._weights or self._find()
        verify(weights, context.cache)
        key = f"{NETWORKS}-{self._digest}"
        text = TextSide(weights.text, weights.tokenizer, key, context)

        def build() -> object:
            from opsin_starter.networks import ImageNetwork

            return ImageNetwork(weights.image)

        example = (np.zeros((2, VIEW.crop, VIEW.crop, 3), np.uint8),)
        self._image = context.compile(build, example, key=f"efficientnet-lite2-{key}")
        folder = class_info_folder()
        path = context.cache / f"space-{self.revision}.npz"
        space = load_space(path)
        if space is None:
            space = _work_out(weights.image, folder, text)
            space.save(path)
        self._dictionary = Dictionary(folder)
        self._text, self._space = text, space
        self.runtime = self._image.runtime

    def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, NDArray[Any]]]:
        """Return ``embedding`` and ``classes`` of each frame, from one forward pass."""
        if not frames:
            return []
        pooled, logits = self.look(frames)
        vectors = self.place(pooled, logits)
        top = top_classes(logits)
        return [{"embedding": vector, "classes": pairs} for vector, pairs in zip(vectors, top, strict=True)]

    def look(self, frames: Sequence[Frame]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return pooled features, float32 (n, 1280), and logits, float32 (n, 1000), of at least one frame."""
        if self._image is None:
            raise PluginUnavailable("the starter encoder was used before it was loaded")
        pooled, logits = self._image(np.stack([frame.view(VIEW) for frame in frames]))
        return pooled, logits

    def place(self, pooled: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, 512), of what ``look`` returned."""
        if self._space is None:
            raise PluginUnavailable("the starter encoder was used before it was loaded")
        return self._space.images(pooled, logits)

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, 384): texts with the definitions of their nouns, before they are projected.

        A text is helped by the dictionary: "gerenuk" says little to a text encoder, its definition "slender East African
        antelope with slim neck" much.
        """
        if self._text is None or self._dictionary is None:
            raise PluginUnavailable("the starter encoder was used before it was loaded")
        subjects = [subject(beginning(text)) for text in texts]
        meanings = [self._dictionary.meaning(text) for text in subjects]
        senses = {sense for meaning in meanings for noun in meaning.nouns for sense in noun}
        known = {sense: row for sense in senses if (row := self._senses.get(sense)) is not None}
        unknown = list(dict.fromkeys((*subjects, *sorted(senses - known.keys()))))
        known |= zip(unknown, self._text.encode(unknown), strict=True)
        self._senses |= {sense: known[sense].copy() for sense in senses - self._senses.keys()}
        rows = np.array([known[text] for text in subjects], np.float32).reshape(-1, WIDTH)
        for place, meaning in enumerate(meanings):
            for noun in meaning.nouns:
                said = np.mean([known[sense] for sense in noun], axis=0)
                rows[place] += DEFINITION_WEIGHT * meaning.share / len(meaning.nouns) * unit(said)
        return unit(rows)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, 512): the visual side is zero."""
        if self._space is None:
            raise PluginUnavailable("the starter encoder was used before it was loaded")
        return self._space.texts(self.read(texts))

    def background(self) -> NDArray[np.float32]:
        """Return unit rows, float32 (1000, 512): what pictures of each ImageNet class would look like."""
        if self._space is None:
            raise PluginUnavailable("the starter encoder was used before it was loaded")
        return self._space.background

    def close(self) -> None:
        self._image = self._text = self._space = self._dictionary = None
        self._senses = {}


def top_classes(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the likeliest classes of logits (n, 1000) as pairs of number and log-probability, float32 (n, 64, 2)."""
    best = logits.max(axis=1, keepdims=True)
    logs = logits - best - np.log(np.exp(logits - best).sum(axis=1, keepdims=True))
    order = np.argsort(-logs, axis=1, kind="stable")[:, :TOP]
    return np.stack((order.astype(np.float32), np.take_along_axis(logs, order, axis=1)), axis=2)


def _work_out(image_weights: Path, folder: Path, text: TextSide) -> Space:
    return make_space(classifier_rows(image_weights), class_vectors(folder, text))


def classifier_rows(image_weights: Path) -> NDArray[np.float32]:
    """Return the rows of the image network's last layer, float32 (1000, 1280). This imports torch."""
    from opsin_starter.networks import read_image_weights

    rows: NDArray[np.float32] = read_image_weights(image_weights)["classifier.weight"].float().numpy()
    return rows


def class_vectors(folder: Path, text: TextSide) -> NDArray[np.float32]:
    """Return MiniLM's unit vectors of the classes, float32 (1000, 384): of their names and of their definitions."""
    names, definitions = zip(*class_texts(folder), strict=True)
    return unit(text.encode(names) + text.encode(definitions))
