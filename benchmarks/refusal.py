"""Measures whether a search for what no photo shows finds nothing, and one for what a photo shows finds something.

    python -m benchmarks.refusal --photos FOLDER

FOLDER holds one folder a label, named like it. Present: the labels' names; absent: 200 nouns below, half of them classes
that the starter's classifier knows well. A query scores as its best photo does (`opsin.fusion.cutoff`, as in search).
The threshold is the one that ships; it was chosen on other words and other photos (docs/starter.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.zero_shot import labelled_photos, load_starter, look

from opsin.fusion.cutoff import TEXT_CUT, Background

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refusal", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder with one folder of photos for each label")
    parser.add_argument("--absent", type=Path, help="a file of other absent nouns, one a line")
    given = parser.parse_args(arguments)
    names, paths, _ = labelled_photos(given.photos)
    text = given.absent.read_text("utf-8").replace("\n", ",") if given.absent else ABSENT.replace("\n", " ")
    absent = [word for word in (" ".join(each.split()) for each in text.split(",")) if word and word not in names]
    encoder = load_starter()
    features = encoder.place(*look(encoder, paths))
    background = Background.of(encoder.background())

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
