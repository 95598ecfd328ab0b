"""The starter's vector space: how class scores, visual features and texts become unit vectors. Pure numpy."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from opsin import product
from opsin.errors import Damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

# docs/starter.md says how each number was chosen, and that none was fitted to photos.
TEXT_DIM = 256
VISUAL_DIM = 256
DIM = TEXT_DIM + VISUAL_DIM
# The squared share of the text side in an image's unit vector.
TEXT_SHARE = 0.25
# ConSE: the temperature of the softmax, and how many of the likeliest classes speak.
TEMPERATURE = 1.5
CLASSES = 30
# The ridge of the linear map from class scores to texts, and its weight beside ConSE.
RIDGE = 5.0
LINEAR_WEIGHT = 0.5
# Texts are divided by the spread of each direction to this power: 1 would be full whitening, 0 none.
WHITENING = 0.5
# Pictures that nobody took: the classifier's inner products at the scale of its logits, with the leading class and the
# disturbance that make it as unsure as it is of photos (median probability of the likeliest class: 0.37).
PSEUDO_SCALE = 4.4
PSEUDO_LEAD = 7.0
PSEUDO_NOISE = 0.5


def unit(rows: NDArray[np.floating[Any]]) -> Array:
    """Return the rows at length 1; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-12), np.float32)


class Space(msgspec.Struct, frozen=True):
    """What was worked out once from the classifier and the class texts.

    ``mean``: (384,) and ``axes``: (384, TEXT_DIM) bring a MiniLM vector to the text side. ``classes``: (1000,
    TEXT_DIM), the classes' unit vectors there; ``linear``: (1000, TEXT_DIM), the map from class scores to there.
    ``visual``: (1280, VISUAL_DIM) brings pooled features to the visual side. ``background``: (1000, DIM) unit rows
    that stand for any picture.
    """

    mean: Array
    axes: Array
    classes: Array
    linear: Array
    visual: Array
    background: Array

    def texts(self, rows: Array) -> Array:
        """Return unit rows, float32 (n, DIM), of MiniLM vectors (n, 384): the visual side is zero."""
        said = _text_side(rows, self.mean, self.axes)
        return np.concatenate((said, np.zeros((len(rows), self.visual.shape[1]), np.float32)), axis=1)

    def images(self, features: Array, logits: Array) -> Array:
        """Return unit rows, float32 (n, DIM), of pooled features (n, 1280) and logits (n, 1000).

        The text side says what the picture shows: the likeliest classes' texts (ConSE) and, beside them, a linear map
        in which all classes vote, also against each other (as in Romera-Paredes and Torr 2015).
        """
        votes = logits - logits.mean(axis=1, keepdims=True)
        said = unit(
            unit(product(class_weights(logits), self.classes)) + LINEAR_WEIGHT * unit(product(votes, self.linear))
        )
        seen = unit(product(features, self.visual))
        return unit(np.concatenate((said * TEXT_SHARE**0.5, seen * (1 - TEXT_SHARE) ** 0.5), axis=1))

    def save(self, path: Path) -> None:
        """Write the space to ``path`` (npz), whole or not at all."""
        aside = path.with_suffix(".tmp.npz")
        np.savez(aside, **{name: getattr(self, name) for name in self.__struct_fields__})
        aside.replace(path)


def load_space(path: Path) -> Space | None:
    """Return the space in ``path``, or None where there is none that can be read."""
    try:
        # opened here, because np.load leaves a damaged file open
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
            return Space(**{name: np.asarray(file[name], np.float32) for name in Space.__struct_fields__})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def class_weights(logits: Array) -> Array:
    """Return the convex weights of ConSE (Norouzi et al. 2014), float32 (n, 1000): the likeliest classes only."""
    scaled = (logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE
    weights = np.exp(scaled)
    least = np.partition(weights, -CLASSES, axis=1)[:, -CLASSES, None]
    weights = np.where(weights >= least, weights, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def make_space(weight: Array, class_texts: Array, *, text_dim: int = TEXT_DIM, visual_dim: int = VISUAL_DIM) -> Space:
    """Work the space out from the classifier's rows (1000, 1280) and MiniLM's vectors (1000, 384) of the classes.

    The background needs no photos: each class's own row stands for the features of a picture of that class, and its
    inner products with all rows, disturbed, for that picture's logits.
    """
    if not (np.isfinite(weight).all() and np.isfinite(class_texts).all()):
        raise Damaged("the starter's weights hold values that are not finite")
    mean = class_texts.mean(axis=0)
    centred = unit(class_texts - mean)
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    scale = (spread[:text_dim] / len(centred) ** 0.5) ** WHITENING
    axes = np.asarray(directions[:text_dim].T / scale, np.float32)
    mean = np.asarray(mean, np.float32)
    classes = _text_side(class_texts, mean, axes)
    rows = np.asarray(weight - weight.mean(axis=0), np.float32)
    products = rows @ rows.T
    ridge = products + RIDGE * np.eye(len(rows), dtype=np.float32)
    space = Space(
        mean=mean,
        axes=axes,
        classes=classes,
        linear=np.asarray(np.linalg.solve(ridge, classes), np.float32),
        visual=np.ascontiguousarray(np.linalg.svd(weight, full_matrices=False)[2][:visual_dim].T, np.float32),
        background=np.zeros((0, text_dim + visual_dim), np.float32),
    )
    logits = PSEUDO_SCALE * products
    np.fill_diagonal(logits, PSEUDO_LEAD)
    # RandomState, because its numbers are promised to stay the same in every version of numpy
    logits += PSEUDO_NOISE * np.random.RandomState(0).standard_normal(logits.shape)
    return msgspec.structs.replace(space, background=space.images(rows, logits))


def _text_side(rows: Array, mean: Array, axes: Array) -> Array:
    return unit(unit(rows - mean) @ axes)
