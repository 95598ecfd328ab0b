"""The texts that stand for a label, and the fixed texts that stand for "something else"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsin import Label

# The seven that OpenAI chose out of 80 for ImageNet (Radford et al. 2021, notebook "Prompt Engineering for ImageNet").
TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)

# A sentence encoder takes "origami" and "video game" at their word: the starter's texts are the bare names, as its
# classes are.
PLAIN = ("{}",)
PLAIN_SPACES = frozenset({"starter"})

# Everyday nouns of many kinds, spread wide on purpose: what a picture is compared with where an encoder brings no
# background pictures. Changing them changes scores: raise the categorizer's ALGORITHM.
BACKGROUND = tuple(
    """accordion airplane apple arch armchair axe baby backpack bagel balloon banana barn baseball basket bathtub beach bear
    bed bee bell bench bicycle bird blanket boat book bottle bowl box bracelet bread brick bridge broom brush bucket bus
    butterfly button cabbage cactus cake camera candle canoe car carpet carrot castle cat chain chair cheese chess church
    circuit city clock cloud coat coffee coin comb compass computer corn couch cow crab crown cup curtain desert desk dice
    dog doll door dress drill drum duck eagle egg elephant engine envelope eye fabric face factory fan feather fence field
    fire fish flag flame flower fog food football forest fork fountain fox frog fruit garden gate giraffe glass glove goat
    grape grass guitar hammer hand harbor hat helicopter helmet hill horse hospital hotel house ice insect island jacket jar
    jewelry kettle key keyboard kitchen kite knife ladder lake lamp landscape laptop leaf lemon letter library lighthouse
    lion lizard machine man map market mask meat medicine meadow microscope mirror money monkey moon mosque motorcycle
    mountain mouse museum mushroom music nail necklace needle nest newspaper night ocean office orange oven owl painting pan
    paper park pasta pattern pen pencil person phone piano pillow pizza plant plate playground poster potato purse puzzle
    rabbit rain restaurant rice ring river road robot rock room rope rug salad sand sandal sandwich saw school scissors
    screen sculpture sea shark sheep shelf ship shirt shoe sign sink skateboard ski sky snake snow soap sofa soldier soup
    spider spoon stadium stage stairs star station statue street sugar suitcase sun sunglasses swing sword table tea teapot
    television temple tent text texture tie tiger tire toilet tomato tool toothbrush towel tower toy tractor train tree
    truck umbrella vase vegetable violin volcano wall wallet watch water waterfall wheel whistle window wine wolf woman
    wood yacht zebra""".split()  # noqa: SIM905 - three hundred quoted words would be three hundred lines
)


def label_texts(label: Label, templates: Sequence[str]) -> list[str]:
    """Return the texts whose mean stands for ``label``: its own prompts, else ``templates`` around its name."""
    return list(label.prompts) or [template.format(label.text) for template in templates]


def background_texts(templates: Sequence[str]) -> list[str]:
    """Return one text per background word, each in one of ``templates`` in turn."""
    return [templates[place % len(templates)].format(word) for place, word in enumerate(BACKGROUND)]


def templates_for(space: str) -> tuple[str, ...]:
    """Return the templates for an encoder's ``space``; what stands before its first colon decides."""
    return PLAIN if space.partition(":")[0] in PLAIN_SPACES else TEMPLATES
