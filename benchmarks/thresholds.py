"""Measures where the labels of a shipped vocabulary begin to mean something with an encoder, and sets their thresholds.

    python -m benchmarks.thresholds [--encoder starter] [--photos FOLDER] [--unseen] [--write]

A label's threshold is the margin that a given share (``--rate``) of background pictures that do not show it pass. The
background is the encoder's own; that of the starter stands for ImageNet's 1,000 classes, so it is known which of them
show a label: the vocabulary of `objects` says so, and ``ALSO`` where the picture shows more than its class is called.
Photos of ``--photos`` are background that shows nothing in particular. A label that `objects` does not know has nobody
to contradict it, and gets the stricter ``--alone``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opsin import Frame, Label, Vocabulary
from opsin.host import Host
from opsin.plugin.vocabulary import ancestors, label_id, merge_labels
from opsin.services.base.vocabulary_text import with_changes
from opsin.settings import Settings, cache_folder
from opsin_objects.categorizer import CLASSES, Objects, implied_labels
from opsin_zero_shot import vocabularies
from opsin_zero_shot.matrix import make_matrix
from opsin_zero_shot.prompts import templates_for
from opsin_zero_shot.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

FILES = Path(vocabularies.__file__).parent
WEAK = 0.25  # a label that finds less than this share of the classes that show it deserves a look

# What pictures of these classes usually show as well, though their names do not say so.
ALSO = {
    "bed": "quilt pillow studio_couch",
    "beer": "beer_bottle beer_glass",
    "bird": "birdhouse",
    "boat": "dock boathouse paddle",
    "bread": "bakery dough",
    "car": "car_mirror car_wheel seat_belt",
    "chocolate": "chocolate_sauce candy_store",
    "coast": "pier",
    "dessert": "chocolate_sauce bakery candy_store",
    "drink": "beer_glass beer_bottle wine_bottle coffee_mug water_bottle cocktail_shaker",
    "farm": "barn tractor plow",
    "flag": "flagpole",
    "flower": "flowerpot vase bee",
    "harbor": "pier boathouse container_ship schooner",
    "hockey": "hockey_puck",
    "horse": "horse_cart",
    "hot_air_balloon": "balloon",
    "houseplant": "flowerpot",
    "meal": "dining_table restaurant soup_bowl plate_rack",
    "medicine": "pill_bottle",
    "park": "park_bench fountain",
    "plant": "flowerpot greenhouse vase",
    "plate": "plate_of_food plate_rack",
    "ship": "dock",
    "shoe": "shoe_store",
    "skiing": "ski_mask",
    "soccer": "soccer_ball",
    "soup": "soup_bowl",
    "theater": "theater_curtain stage home_theater cinema",
    "toy": "toy_store",
    "trash": "trash_can garbage_truck plastic_bag",
    "vehicle": "car_mirror car_wheel seat_belt",
}


def shown_by_classes(labels: Sequence[Label], everyday: Vocabulary) -> NDArray[np.bool_]:
    """Return which label each ImageNet class shows, bool (1000, labels)."""
    from opsin_objects import Config

    objects = Objects(Config()).vocabulary
    merged = merge_labels([everyday, objects])
    meaning: dict[str, set[str]] = {}
    for label in merged.values():
        for word in (label.id, label.text, *label.synonyms):
            meaning.setdefault(label_id(word), set()).add(label.id)
    place = {label.id: number for number, label in enumerate(labels)}
    shows = np.zeros((CLASSES, len(labels)), bool)
    for number, implied in enumerate(implied_labels(objects)):
        names = {objects.labels[each].id for each in implied}
        names |= {name for name, classes in ALSO.items() if objects.labels[number].id in classes.split()}
        words = {word for name in names for word in (name, merged[name].text, *merged[name].synonyms)}
        names |= {name for word in words for name in meaning.get(label_id(word), ())}
        names |= {up for name in names for up in ancestors(name, merged)}
        for name in names & place.keys():
            shows[number, place[name]] = True
    return shows


def photo_vectors(host: Host, folder: Path) -> Array:
    """Return the embeddings of the pictures below ``folder``, float32 (n, dim)."""
    from PIL import Image

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    rows = []
    for path in paths:
        with Image.open(path) as image:
            pixels = np.ascontiguousarray(np.asarray(image.convert("RGB")))
        analysis = host.submit([Frame(pixels)], []).result()
        rows.append(np.asarray(analysis.features[0]["embedding"], np.float32))
    return np.stack(rows) if rows else np.zeros((0, host.encoder.dim), np.float32)


class Measured:
    """What was measured of one label. ``found``: the share of the classes that show it which pass the threshold."""

    def __init__(self, label: Label, margins: Array, shows: NDArray[np.bool_], rate: float) -> None:
        self.label = label
        self.rate = rate
        self.threshold = round(float(np.quantile(margins[~shows], 1 - rate)), 1)
        self.shown = int(shows.sum())
        self.found = float((margins[shows] > self.threshold).mean()) if self.shown else float("nan")

    def __str__(self) -> str:
        note = "  weak" if self.found < WEAK else "  not measured: no class shows it" if not self.shown else ""
        return (
            f"{self.label.id:24s} threshold {self.threshold:5.1f}  rate {self.rate:g}"
            f"  classes {self.shown:3d}  found {self.found:4.2f}{note}"
        )


def measure(
    host: Host, vocabulary: Vocabulary, photos: Path | None, rate: float, alone: float, *, unseen: bool
) -> list[Measured]:
    """Return the measurements of every label that the encoder is said to see, or (``unseen``) of those it is not."""
    from opsin_objects import Config

    space = host.encoder.space.partition(":")[0]
    labels = [label for label in vocabulary.labels if (space in label.unseen) == unseen]
    matrix = make_matrix(Texts(host.encoder), host.encoder.dim, labels, templates_for(host.encoder.space))
    background = host.encoder.background()
    shows = np.zeros((len(background), len(labels)), bool)
    known: set[str] = {label.id for label in labels}
    if space == "starter":
        shows = shown_by_classes(labels, vocabulary)
        known = set(Objects(Config()).vocabulary.by_id)
    if photos:
        extra = photo_vectors(host, photos)
        background = np.concatenate((background, extra))
        shows = np.concatenate((shows, np.zeros((len(extra), len(labels)), bool)))
    if not len(background):
        sys.exit(f"the encoder {host.encoder.name} brings no background pictures: name a folder with --photos")
    margins = matrix.margins(background)
    return [
        Measured(label, margins[:, place], shows[:, place], rate if label.id in known else alone)
        for place, label in enumerate(labels)
    ]


def summary(measured: Iterable[Measured]) -> str:
    """Return the numbers of all labels together, one sentence a line."""
    found = [each for each in measured if each.shown]
    thresholds = [each.threshold for each in found]
    return (
        f"{len(found)} labels measured on classes that show them: mean share found "
        f"{np.mean([each.found for each in found]):.3f}, weak (below {WEAK}) {sum(each.found < WEAK for each in found)}\n"
        f"thresholds: median {np.median(thresholds):.1f}, from {min(thresholds):.1f} to {max(thresholds):.1f}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thresholds", description=__doc__)
    parser.add_argument("--encoder", default="starter")
    parser.add_argument("--vocabulary", default="everyday")
    parser.add_argument("--photos", type=Path, help="a folder of pictures that show nothing in particular")
    parser.add_argument("--rate", type=float, default=0.005, help="false positives on background (default 0.005)")
    parser.add_argument("--alone", type=float, default=0.001, help="the same, for labels that nobody else judges")
    parser.add_argument("--unseen", action="store_true", help="measure the labels that are marked as unseen instead")
    parser.add_argument("--write", action="store_true", help="write the thresholds into the vocabulary's file")
    given = parser.parse_args(arguments)
    vocabulary = next(each for each in vocabularies.shipped() if each.name == given.vocabulary)
    host = Host(Settings(), cache=cache_folder(), encoder=given.encoder, vocabularies=[])
    try:
        host.encoder.ensure()
        space = host.encoder.space.partition(":")[0]
        measured = measure(host, vocabulary, given.photos, given.rate, given.alone, unseen=given.unseen)
    finally:
        host.close()
    print(*measured, summary(measured), sep="\n")
    if given.write and not given.unseen:
        path = FILES / f"{vocabulary.name}.toml"
        changes = {each.label.id: {"threshold": {**each.label.threshold, space: each.threshold}} for each in measured}
        path.write_text(with_changes(path.read_text("utf-8"), changes), "utf-8")
        print(f"wrote {len(changes)} thresholds for {space} into {path.name}")


if __name__ == "__main__":
    main()
