"""The starter's vector space: how class probabilities, visual features and texts become unit vectors. Pure numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from opsin.errors import Damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

TEXT_DIM = 256
VISUAL_DIM = 256
DIM = TEXT_DIM + VISUAL_DIM
TEMPERATURE = 1.5
CLASSES = 30
# The squared share of the text side in an image's unit vector.
TEXT_SHARE = 0.5


def unit(rows: NDArray[np.floating[Any]]) -> Array:
    """Return the rows at length 1; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-12), np.float32)


class Space(msgspec.Struct, frozen=True):
    """What was worked out once from the classifier and the class texts.

    ``classes``: (1000, TEXT_DIM) unit text vectors of the classes; ``mean``: (384,) and ``axes``: (384, TEXT_DIM)
    bring a MiniLM vector there; ``visual``: (1280, VISUAL_DIM) brings pooled features to the visual side;
    ``background``: (m, DIM) unit rows that stand for any picture.
    """

    classes: Array
    mean: Array
    axes: Array
    visual: Array
    background: Array

    def texts(self, rows: Array) -> Array:
        """Return unit rows, float32 (n, DIM), of MiniLM vectors (n, 384): the visual side is zero."""
        out = np.zeros((len(rows), DIM), np.float32)
        out[:, :TEXT_DIM] = unit((rows - self.mean) @ self.axes)
        return out

    def images(self, features: Array, logits: Array) -> Array:
        """Return unit rows, float32 (n, DIM), of pooled features (n, 1280) and logits (n, 1000)."""
        said = unit(class_weights(logits) @ self.classes)
        seen = unit(features @ self.visual)
        return unit(np.concatenate((said * TEXT_SHARE**0.5, seen * (1 - TEXT_SHARE) ** 0.5), axis=1))

    def save(self, path: Path) -> None:
        """Write the space to ``path`` (npz), whole or not at all."""
        aside = path.with_suffix(".tmp.npz")
        np.savez(aside, **{name: getattr(self, name) for name in self.__struct_fields__})
        aside.replace(path)


def load_space(path: Path) -> Space | None:
    """Return the space in ``path``, or None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Space(**{name: np.asarray(file[name], np.float32) for name in Space.__struct_fields__})
    except (OSError, ValueError, KeyError, EOFError):
        return None


def class_weights(logits: Array) -> Array:
    """Return the convex weights of ConSE (Norouzi et al. 2014), float32 (n, 1000): the likeliest classes only."""
    scaled = (logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE
    weights = np.exp(scaled)
    least = np.partition(weights, -CLASSES, axis=1)[:, -CLASSES, None]
    weights = np.where(weights >= least, weights, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def make_space(weight: Array, bias: Array, class_texts: Array) -> Space:
    """Work the space out from the classifier's rows (1000, 1280), its biases and MiniLM's (1000, 384) class texts."""
    if not (np.isfinite(weight).all() and np.isfinite(class_texts).all()):
        raise Damaged("the starter's weights hold values that are not finite")
    mean = class_texts.mean(axis=0)
    centred = unit(class_texts - mean)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:TEXT_DIM].T
    visual = np.linalg.svd(weight, full_matrices=False)[2][:VISUAL_DIM].T
    space = Space(
        classes=unit(centred @ axes),
        mean=np.asarray(mean, np.float32),
        axes=np.ascontiguousarray(axes, np.float32),
        visual=np.ascontiguousarray(visual, np.float32),
        background=np.zeros((0, DIM), np.float32),
    )
    pseudo = np.asarray(weight / np.linalg.norm(weight, axis=1, keepdims=True) * 8.0, np.float32)
    background = space.images(pseudo, np.asarray(pseudo @ weight.T + bias, np.float32))
    return msgspec.structs.replace(space, background=background)
