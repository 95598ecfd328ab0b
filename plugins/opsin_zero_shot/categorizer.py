"""Zero-shot tagging: scores the labels of one vocabulary by how a picture's embedding stands out towards their texts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from opsin import Categorizer, Declined, Item, Label, Match, Matches
from opsin.errors import PluginUnavailable, UnknownName
from opsin_zero_shot.matrix import REACH, Matrix, load_matrix, make_matrix
from opsin_zero_shot.prompts import label_texts, templates_for
from opsin_zero_shot.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opsin import Context, TextEncoder, Vocabulary
    from opsin_zero_shot import ZeroShotConfig

# Raise it whenever the same texts and embeddings would give other scores.
ALGORITHM = 4
# The margin that scores 0.5 where nobody says another: against background pictures, and against background texts.
PICTURES_THRESHOLD = 2.0
TEXTS_THRESHOLD = 3.0
SLOPE = 1.0
LEAST_SCORE = 0.05


class ZeroShot(Categorizer):
    """Scores a vocabulary's labels: ``score = 1 / (1 + exp(-SLOPE * (margin - threshold)))``, each by itself."""

    needs = frozenset({"embedding"})
    family = "embedding"

    def __init__(self, vocabulary: Vocabulary, config: ZeroShotConfig) -> None:
        self.id = f"zero_shot/{vocabulary.name}"
        self.vocabulary: Vocabulary = vocabulary
        self.declines = {}
        self._config = config
        self._templates = config.templates
        self._labels: tuple[Label, ...] = ()
        self._matrix: Matrix | None = None
        self._thresholds = np.zeros(0, np.float32)
        self.revision = f"{ALGORITHM}-{vocabulary.revision}-{self._settings_digest()}"

    def load(self, context: Context) -> None:
        """Encode those of the labels' texts that are not in the cache.

        :raises PluginUnavailable: where the context lends no encoder.
        """
        encoder = context.encoder
        if encoder is None:
            raise PluginUnavailable("zero-shot tagging needs the library's encoder")
        self._templates = self._config.templates or templates_for(encoder.space)
        self.revision = f"{ALGORITHM}-{encoder.revision}-{self.vocabulary.revision}-{self._settings_digest()}"
        unseen = {label.id for label in self.vocabulary.labels if not _sees(encoder.space, label)}
        self.declines = dict.fromkeys(unseen, f"the encoder {encoder.name} cannot see it")
        self._labels = tuple(label for label in self.vocabulary.labels if label.id not in unseen)
        name = hashlib.sha256(f"{self.revision}|{encoder.space}".encode()).hexdigest()[:24]
        path = context.cache / f"texts-{name}.npz"
        matrix = load_matrix(path)
        if matrix is None:
            texts = Texts(encoder, context.cache)
            matrix = make_matrix(texts, encoder.dim, self._labels, self._templates)
            matrix.save(path)
        self._matrix = matrix
        self._thresholds = np.array([self._threshold(encoder, label, matrix) for label in self._labels], np.float32)

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        """Return the labels of each item that score at least 0.05, best first."""
        if not batch:
            return []
        scores = self._scores(batch)
        answers: list[Matches | Declined] = []
        for row in scores:
            kept = np.flatnonzero(row >= LEAST_SCORE)
            order = kept[np.argsort(-row[kept], kind="stable")]
            answers.append(Matches(tuple(Match(self._labels[place].id, float(row[place])) for place in order)))
        return answers

    def explain(self, item: Item, label: Label) -> Mapping[str, Any]:
        """Return the texts, similarities, background, margin, threshold and slope that the label's score is made of.

        ``standardised = (similarity - zero) / spread`` for the prompts and for each look-alike, where zero lies between the
        background's mean and what its best reach; ``margin = standardised - max(0, best look-alike - standardised)``;
        ``score = 1 / (1 + exp(-slope * (margin - threshold)))``.
        """
        if label.id in self.declines:
            return {"declined": self.declines[label.id]}
        number = next((place for place, each in enumerate(self._labels) if each.id == label.id), None)
        if number is None or self._matrix is None:
            msg = f"the vocabulary {self.vocabulary.name!r} has no label {label.id!r}"
            raise UnknownName(msg)
        matrix, own = self._matrix, self._labels[number]
        vector = _vectors([item])
        places = [number, *(np.flatnonzero(matrix.owner == number) + matrix.labels)]
        texts = [label_texts(own, self._templates), *([negative] for negative in own.negatives)]
        parts = [self._part(vector, int(place), text) for place, text in zip(places, texts, strict=True)]
        return {
            "prompts": parts[0],
            "negatives": parts[1:],
            "margin": float(matrix.margins(vector)[0, number]),
            "threshold": float(self._thresholds[number]),
            "slope": SLOPE,
            "formula": "score = 1 / (1 + exp(-slope x (margin - threshold)))",
            "score": float(self._scores([item])[0, number]),
        }

    def close(self) -> None:
        self._matrix = None

    def _scores(self, batch: Sequence[Item]) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self._matrix is None:
            raise PluginUnavailable("zero-shot tagging was used before it was loaded")
        margins = self._matrix.margins(_vectors(batch)).astype(np.float64)
        height = np.clip(SLOPE * (margins - self._thresholds), -60, 60)
        return np.asarray(1 / (1 + np.exp(-height)))

    def _part(self, vector: Any, place: int, texts: list[str]) -> dict[str, Any]:
        """Return how one text row of the matrix relates to one vector (1, dim)."""
        matrix = self._matrix
        if matrix is None:
            return {}
        near = float((vector @ matrix.rows[place])[0])
        if not matrix.against_texts:
            middle, spread, reach = (float(each[place]) for each in (matrix.middle, matrix.spread, matrix.reach))
        else:
            middle, spread = (float(each) for each in matrix.other_statistics(vector)[:, 0])
            reach = middle
        return {
            "texts": texts,
            "similarity": near,
            "background_mean": middle,
            "background_spread": spread,
            "background_reach": reach,
            "zero": middle + REACH * (reach - middle),
            "standardised": float(matrix.standardised(vector)[0, place]),
        }

    def _threshold(self, encoder: TextEncoder, label: Label, matrix: Matrix) -> float:
        for name in (*_space_names(encoder.space), "default"):
            if name in label.threshold:
                return label.threshold[name]
        return self._config.threshold or (TEXTS_THRESHOLD if matrix.against_texts else PICTURES_THRESHOLD)

    def _settings_digest(self) -> str:
        text = "|".join([str(self._config.threshold), *self._config.templates])
        return hashlib.sha256(text.encode()).hexdigest()[:6]


def _space_names(space: str) -> list[str]:
    """Return ``space`` and what stands before its colons: ``a:b:c``, ``a:b``, ``a``. The first is the narrowest."""
    parts = space.split(":")
    return [":".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _sees(space: str, label: Label) -> bool:
    """Whether an encoder of ``space`` can see ``label``: the narrowest of its names that the label speaks of decides."""
    for name in _space_names(space):
        if name in label.unseen:
            return False
        if name in label.threshold:
            return True
    return True


def _vectors(batch: Sequence[Item]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([np.asarray(item.features["embedding"], np.float32) for item in batch])
