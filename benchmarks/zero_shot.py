"""Measures the starter on photos whose folder says what they show: naming them, finding them, and what projections cost.

    python -m benchmarks.zero_shot --photos FOLDER

FOLDER holds one folder a label, named like it (``grand_piano``). Nothing of the starter was fitted to such photos:
docs/starter.md says how its numbers were chosen. Labels are scored as tags are, by the margin of `zero_shot` with the
default texts. Retrieval: every photo searches the others; those of its folder are right (mean average precision).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from opsin import Frame, Label
from opsin.host.context import HostContext
from opsin.settings import HostSettings, cache_folder
from opsin_starter import StarterConfig
from opsin_starter.encoder import StarterEncoder, class_vectors, classifier_rows
from opsin_starter.space import TEXT_DIM, VISUAL_DIM, Space, make_space, unit
from opsin_starter.weights import class_info_folder, locate
from opsin_zero_shot.matrix import make_matrix
from opsin_zero_shot.prompts import templates_for
from opsin_zero_shot.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

PROTOTYPE = (0.465, 0.69)  # top-1 and top-5 of an unrefined ConSE on 404 photos of Caltech-101
BATCH = 16


def load_starter() -> StarterEncoder:
    """Return the starter encoder, loaded."""
    encoder = StarterEncoder(StarterConfig())
    context = HostContext(
        plugin="starter", config=StarterConfig(), cache=cache_folder(), settings=HostSettings(), encoder=None
    )
    encoder.load(context)
    return encoder


def labelled_photos(root: Path) -> tuple[list[str], list[Path], NDArray[np.int64]]:
    """Return the labels, the photos and the number of each photo's label."""
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found = [(path, place) for place, folder in enumerate(folders) for path in sorted(folder.iterdir())]
    if not found:
        sys.exit(f"{root} holds no folders with photos: name one with --photos")
    names = [folder.name.lower().replace("_", " ") for folder in folders]
    return names, [path for path, _ in found], np.array([place for _, place in found])


def look(encoder: StarterEncoder, paths: Sequence[Path]) -> tuple[Array, Array]:
    """Return pooled features and logits of the photos."""
    parts = []
    for start in range(0, len(paths), BATCH):
        pixels = [np.asarray(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]]
        parts.append(encoder.look([Frame(each) for each in pixels]))
    return np.concatenate([each[0] for each in parts]), np.concatenate([each[1] for each in parts])


def accuracy(margins: Array, truth: NDArray[np.int64]) -> tuple[float, float]:
    """Return top-1 and top-5 of margins (photos, labels)."""
    order = np.argsort(-margins, axis=1)
    return float((order[:, 0] == truth).mean()), float((order[:, :5] == truth[:, None]).any(axis=1).mean())


def mean_average_precision(rows: Array, truth: NDArray[np.int64]) -> float:
    """Return how well each row finds the others of its label."""
    near = unit(rows) @ unit(rows).T
    np.fill_diagonal(near, -np.inf)
    order = np.argsort(-near, axis=1)[:, :-1]
    right = truth[order] == truth[:, None]
    precision = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    with np.errstate(invalid="ignore"):
        return float(np.nanmean((precision * right).sum(axis=1) / right.sum(axis=1)))


class Seen:
    """What the networks say of the photos and of the labels, to be projected in several ways."""

    def __init__(self, encoder: StarterEncoder, names: Sequence[str], paths: Sequence[Path]) -> None:
        self.names = names
        self.pooled, self.logits = look(encoder, paths)
        self.texts = encoder.read(names)
        self.weight = classifier_rows(locate(StarterConfig()).image)
        self.classes = class_vectors(class_info_folder(), encoder.text_side)

    def space(self, text_dim: int, visual_dim: int) -> Space:
        return make_space(self.weight, self.classes, text_dim=text_dim, visual_dim=visual_dim)

    def naming(self, space: Space) -> Array:
        """Return the margins (photos, labels) in ``space``, as tags and searches have them."""
        from opsin.fusion.cutoff import Background

        images, background = space.images(self.pooled, self.logits), Background.of(space.background)
        return np.stack([background.margins(text, images @ text) for text in space.texts(self.texts)], axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zero_shot", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder with one folder of photos for each label")
    given = parser.parse_args(arguments)
    names, paths, truth = labelled_photos(given.photos)
    encoder = load_starter()
    start = time.perf_counter()
    seen = Seen(encoder, names, paths)
    print(f"{len(paths)} photos, {len(names)} labels, starter {encoder.revision}, {encoder.runtime}")
    print(f"looked at in {time.perf_counter() - start:.1f} s\n")

    space = seen.space(TEXT_DIM, VISUAL_DIM)
    vectors = space.images(seen.pooled, seen.logits).astype(np.float16).astype(np.float32)
    labels = [Label(id=f"label_{place}", name=name) for place, name in enumerate(names)]
    matrix = make_matrix(Texts(encoder), encoder.dim, labels, templates_for(encoder.space))
    top1, top5 = accuracy(matrix.margins(vectors), truth)
    print(f"zero-shot, as shipped ({encoder.dim} dimensions): top-1 {top1:.3f}, top-5 {top5:.3f}")
    print("by the dimensions of the text side:")
    for dim in (64, 128, 192, 256, 384):
        one, five = accuracy(seen.naming(seen.space(dim, VISUAL_DIM)), truth)
        print(f"  {dim:4d}: top-1 {one:.3f}, top-5 {five:.3f}")
    print("retrieval, photo by photo: mean average precision by the dimensions of the visual side:")
    directions = np.linalg.svd(seen.weight, full_matrices=False)[2]
    for dim in (64, 128, 192, 256, 512):
        print(f"  {dim:4d}: {mean_average_precision(seen.pooled @ directions[:dim].T, truth):.3f}")
    print(f"  all {seen.pooled.shape[1]} pooled features: {mean_average_precision(seen.pooled, truth):.3f}")
    print(f"  as shipped, both sides: {mean_average_precision(vectors, truth):.3f}")
    print(f"\nratio to the unrefined prototype: top-1 {top1 / PROTOTYPE[0]:.2f}, top-5 {top5 / PROTOTYPE[1]:.2f}")


if __name__ == "__main__":
    main()
