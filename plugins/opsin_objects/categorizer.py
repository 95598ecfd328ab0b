"""Scores ImageNet-1k's classes, and what they imply, from the class probabilities of an ImageNet classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from opsin import Categorizer, Declined, Item, Label, Match, Matches, Vocabulary, read_vocabulary
from opsin.errors import SettingError
from opsin_objects import Config

CLASSES = 1000
SPACE = "imagenet-1k"  # labels that are `unseen` here are declined
FAINT = 0.05  # scores below are left out
SURE = 1e-6  # probabilities are kept this far from 0 and 1, where the logit is infinite


class Objects(Categorizer):
    """Says which of ImageNet's classes a picture shows, and the kinds that they belong to.

    It needs the feature ``classes``, float (k, 2): pairs of class number and natural log-probability, the likeliest
    first. A class's probability is its own; a kind's is the sum over the classes that imply it. Kinds that ImageNet
    covers only here and there (people, flowers, clothes) are declined: they follow from the classes alone. The score is
    sigmoid(logit(probability) - logit(threshold)): monotone, and 0.5 where they are equal.
    """

    id = "objects"
    family = "embedding"  # the classes come out of the starter encoder's pass, as does what zero_shot judges by
    needs = frozenset({"classes"})

    def __init__(self, config: Config) -> None:
        self.vocabulary: Vocabulary = read_vocabulary(Path(__file__).with_name("objects.toml"))
        if unknown := config.thresholds.keys() - self.vocabulary.by_id.keys():
            msg = (
                f"plugins.objects.thresholds: there is no label {min(unknown)!r}; docs/objects.md says where they stand"
            )
            raise SettingError(msg)
        self.declines = {
            label.id: "ImageNet knows only a few of its kind"
            for label in self.vocabulary.labels
            if SPACE in label.unseen
        }
        self._config = config
        self._ids = [label.id for label in self.vocabulary.labels]
        self._implied = implied_labels(self.vocabulary)
        thresholds = [config.thresholds.get(name, config.threshold) for name in self._ids]
        self._thresholds = np.array(thresholds, np.float64)
        self.revision = f"1-{self.vocabulary.revision}+{sha256(msgspec.json.encode(config)).hexdigest()[:8]}"

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        return [self._judge(item.features["classes"]) for item in batch]

    def _judge(self, classes: NDArray[Any]) -> Matches:
        found = self._probabilities(classes)
        probabilities = np.array(list(found.values()))
        places = np.array(list(found), np.intp)
        scores = score(probabilities, self._thresholds[places])
        best = [n for n in np.argsort(-scores, kind="stable")[: self._config.most] if scores[n] >= FAINT]
        return Matches(
            tuple(Match(self._ids[places[n]], float(scores[n]), {"probability": float(probabilities[n])}) for n in best)
        )

    def _probabilities(self, classes: NDArray[Any]) -> dict[int, float]:
        """Return the probability of every label that has any, but is not declined, by its place in the vocabulary."""
        found: dict[int, float] = {}
        for number, probability in _pairs(classes):
            for place in self._implied[number]:
                if self._ids[place] not in self.declines:
                    found[place] = found.get(place, 0.0) + probability
        return found

    def explain(self, item: Item, label: Label) -> Mapping[str, Any]:
        """Return the probability and the threshold of ``label``, the classes that the probability comes from, and the formula."""
        place = self._ids.index(label.id)
        parts = {
            self._ids[number]: probability
            for number, probability in _pairs(item.features["classes"])
            if place in self._implied[number]
        }
        probability = sum(parts.values())
        return {
            "probability": probability,
            "threshold": float(self._thresholds[place]),
            "classes": parts,
            "formula": f"score = sigmoid(logit(probability) - logit(threshold)), the probability within {SURE:g} of 0 and 1",
            "score": float(score(np.array([probability]), self._thresholds[[place]])[0]),
        }


def implied_labels(vocabulary: Vocabulary) -> list[tuple[int, ...]]:
    """Return, for each class, the places in the vocabulary of itself and of all that it implies, each once.

    The first 1,000 labels are the classes, in ImageNet's order.
    """
    place_of = {label.id: place for place, label in enumerate(vocabulary.labels)}

    def upward(place: int) -> set[int]:
        return {place}.union(*(upward(place_of[parent]) for parent in vocabulary.labels[place].parents))

    return [tuple(sorted(upward(number))) for number in range(CLASSES)]


def score(probability: NDArray[np.float64], threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sigmoid(logit(probability) - logit(threshold)), 0..1."""
    kept = np.clip(probability, SURE, 1 - SURE)
    odds = kept / (1 - kept) * (1 - threshold) / threshold
    ratio: NDArray[np.float64] = odds / (1 + odds)
    return ratio


def _pairs(classes: NDArray[Any]) -> list[tuple[int, float]]:
    """Return class numbers with their probabilities."""
    pairs: NDArray[np.float64] = classes.astype(np.float64)
    return [(int(number), float(np.exp(log))) for number, log in pairs.tolist()]
