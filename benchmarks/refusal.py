"""Measures whether a search for what no photo shows finds nothing, and one for what a photo shows finds something.

    python -m benchmarks.refusal --photos FOLDER [--encoder NAME] [--unmeasured]

FOLDER holds one folder a label, named like it. Present: the labels' names; absent: 200 nouns below, half of them classes
that the starter's classifier knows well. A query scores as its best photo does (`opsin.fusion.cutoff`, as in search).
The threshold is the one that ships; it was chosen on other words and other photos (docs/starter.md).

``--unmeasured`` treats the encoder as if it brought no background, so that the bar follows from rare things
(`opsin.fusion.rare`); so it is for every encoder that brings none. It prints libraries of fewer of the folders as well,
in which the others' names are absent too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.zero_shot import BATCH, labelled_photos, load_starter
from PIL import Image

import opsin_clip
from opsin import Encoder, Frame
from opsin.fusion.cutoff import TEXT_CUT, Background
from opsin.fusion.rare import RARE, Bar
from opsin.host.context import HostContext
from opsin.settings import HostSettings, cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 20
ABSENT = """
    acorn, alien, angel, anvil, asparagus, astronaut, axe, balcony, ballet, banjo, banknote, bar chart, barcode,
    basil, beehive, beggar, bicycle, bikini, birthday party, blood, blueberry, bowling, boxing match, bride,
    broccoli, bulldozer, business card, cabbage, calculator, carousel, carpenter, casserole, cauliflower, cello,
    cheeseburger, chess game, chessboard, chipmunk, clarinet, coffin, compass, concert, courtroom, crayon,
    cricket, crosswalk, cupcake, dandelion, diamond, diaper, dice, donkey, drawbridge, earring, earthquake,
    eclipse, embroidery, escalator, explosion, farmer, feather, fingerprint, firefighter, fireplace, fisherman,
    flood, flute, fox, galaxy, giraffe, glacier, goat, golf, graduation, graffiti, grapefruit, gravestone,
    guacamole, hamburger, hamster, handcuffs, hawk, hockey, hot dog, hug, iceberg, iguana, invoice, jellyfish,
    judge, kettle, kimono, kiss, kite, knitting, koala, lava, lawnmower, lettuce, lightning, lipstick, locomotive,
    magician, magnet, manatee, marathon, marble bust, mascara, maze, mermaid, microwave, moose, muffin,
    nail polish, necklace, neon sign, newborn baby, nightclub, oak, oil painting, onion, orchard, orchid, origami,
    otter, owl, paintbrush, pancake, parade, parliament, parrot, passport, peanut, pelican, pepper, perfume,
    pineapple, pitcher, plumber, poker, pomegranate, porcupine, postage stamp, pottery, pregnancy, printer,
    prison, protest, puddle, pumpkin, queen, rabbit, radish, rainbow, raspberry, receipt, robot, rugby, salmon,
    sandwich, satellite, scar, sculpture, shark, skateboard, skeleton, skyscraper, snail, snowplow, snowstorm,
    spaceship, spaghetti, spatula, spreadsheet, squirrel, stained glass, stethoscope, subway, surfboard, surgeon,
    surgery, swan, swimming race, syringe, tapestry, tattoo, telescope, tornado, turban, tuxedo, twins,
    ultrasound, unicorn, vampire, vineyard, wedding, wig, x-ray, yoga, zombie
"""


def area_under_curve(present: NDArray[np.float32], absent: NDArray[np.float32]) -> float:
    """Return how often a present query scores higher than an absent one; ties count half (Hanley and McNeil 1982)."""
    higher = (present[:, None] > absent[None]).mean()
    return float(higher + (present[:, None] == absent[None]).mean() / 2)


def load(name: str) -> Encoder:
    """Return the encoder of this name, loaded."""
    if name == "starter":
        return load_starter()
    config = opsin_clip.Config()
    encoder = opsin_clip.opsin_encoder(name, config)
    if encoder is None:
        sys.exit(f"there is no encoder {name!r}: say starter or open_clip:...")
    encoder.load(
        HostContext(plugin="open_clip", config=config, cache=cache_folder(), settings=HostSettings(), encoder=None)
    )
    return encoder


def embedded(encoder: Encoder, paths: Sequence[Path]) -> NDArray[np.float32]:
    """Return the unit vectors of the photos, float32 (n, dim)."""
    rows = []
    for start in range(0, len(paths), BATCH):
        pixels = [np.asarray(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]]
        rows += [each["embedding"] for each in encoder.extract([Frame(each) for each in pixels])]
    return np.stack(rows).astype(np.float32)


def by_rare_things(
    encoder: Encoder,
    features: NDArray[np.float32],
    truth: NDArray[np.int64],
    names: NDArray[np.float32],
    absent: NDArray[np.float32],
) -> None:
    """Print how often the bar of rare things is right, for libraries of all folders and of a few, ``DRAWS`` of each."""
    rare, random = encoder.encode_texts(RARE), np.random.default_rng(0)
    print(f"{encoder.name}, as if without a background: the bar is what {len(RARE)} rare things reach")
    print(f"{'folders':>8}{'photos':>8}{'AUROC':>8}  refused though present  answered though absent")
    sizes = [size for size in (len(names), 50, 25, 10, 5, 2, 1) if size <= len(names)]
    for size in dict.fromkeys(sizes):
        found = []
        for _ in range(DRAWS if size < len(names) else 1):
            order = random.permutation(len(names))
            library = features[np.isin(truth, order[:size])]
            bar = Bar.of(rare, library).height
            present = (names[order[:size]] @ library.T).max(axis=1)
            missing = (np.concatenate((names[order[size:]], absent)) @ library.T).max(axis=1)
            right = area_under_curve(present, missing)
            found.append((len(library), right, (present < bar).mean(), (missing >= bar).mean()))
        photos, right, refused, answered = np.mean(found, axis=0)
        print(f"{size:8d}{photos:8.0f}{right:8.3f}{refused:24.0%}{answered:24.0%}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refusal", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder with one folder of photos for each label")
    parser.add_argument("--absent", type=Path, help="a file of other absent nouns, one a line")
    parser.add_argument("--encoder", default="starter", help="the name of an encoder, as for `opsin init`")
    parser.add_argument("--unmeasured", action="store_true", help="as if the encoder brought no background")
    given = parser.parse_args(arguments)
    names, paths, truth = labelled_photos(given.photos)
    text = given.absent.read_text("utf-8").replace("\n", ",") if given.absent else ABSENT.replace("\n", " ")
    absent = [word for word in (" ".join(each.split()) for each in text.split(",")) if word and word not in names]
    encoder = load(given.encoder)
    features = embedded(encoder, paths)
    background = Background.of(encoder.background())
    if given.unmeasured or not len(background.rows):
        by_rare_things(encoder, features, truth, encoder.encode_texts(names), encoder.encode_texts(absent))
        return

    def best(words: Sequence[str]) -> NDArray[np.float32]:
        return np.array([background.margins(query, features @ query).max() for query in encoder.encode_texts(words)])

    present_best, absent_best = best(names), best(absent)
    print(f"{len(paths)} photos, {len(names)} names that they show, {len(absent)} nouns that they do not")
    print(f"AUROC {area_under_curve(present_best, absent_best):.3f}")
    print(f"at the cut-off {TEXT_CUT}:")
    for title, words, scores, wrong in (
        ("refused though present", names, present_best, present_best < TEXT_CUT),
        ("answered though absent", absent, absent_best, absent_best >= TEXT_CUT),
    ):
        order = [place for place in np.argsort(-np.abs(scores - TEXT_CUT)) if wrong[place]]
        shown = ", ".join(f"{words[place]} {scores[place]:.1f}" for place in order[:12])
        print(
            f"  {title}: {wrong.sum()} of {len(words)} ({wrong.mean():.0%}): {shown}{' ...' if len(order) > 12 else ''}"
        )


if __name__ == "__main__":
    main()
