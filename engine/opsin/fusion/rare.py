"""Rare things, which hardly any library shows: what their best hits reach there, something shown has to reach. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from opsin.plugin.product import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

# Of many kinds, so that no library shows most of them.
_THINGS = """
    aardvark, aye-aye, axolotl, narwhal, pangolin, quokka, tapir, wombat, coelacanth, sea cucumber,
    lamprey, tardigrade, mole rat, kiwi bird, hoatzin, shoebill, gharial, tuatara, mantis shrimp, horseshoe crab,
    astrolabe, sextant, abacus, sundial, gyroscope, theodolite, seismograph, centrifuge, oscilloscope,
    electron microscope, particle accelerator, cooling tower, oil rig, dredger, icebreaker, hovercraft, zeppelin,
    bathyscaphe, trebuchet, guillotine, battering ram, halberd, crossbow, blowpipe, catapult, gallows, iron maiden,
    theremin, hurdy-gurdy, didgeridoo, bagpipes, zither, glockenspiel, spinning wheel, loom, butter churn,
    blacksmith's bellows, wine press, cider mill, printing press, typesetting, papyrus scroll, rune stone,
    cuneiform tablet, totem pole, dolmen, aqueduct, amphitheatre, ziggurat, igloo, yurt, thatched hut,
    wind tunnel, rocket engine test, moon landing, spacewalk, meteor crater, geyser, sandstorm, avalanche,
    volcanic eruption, stalactites, salt flat, mangrove swamp, coral bleaching, carnivorous plant, corpse flower,
    baobab, truffle hunt, beekeeping, falconry, fencing duel, sumo wrestling, curling, jousting, bullfight,
    dog sled race, bobsleigh, pole vault, hammer throw, synchronised swimming, parkour, bungee jump, base jumping,
    coronation, royal guard, samurai armour, geisha, matador, chimney sweep, lighthouse keeper, welder, glass blower,
    diver in a brass helmet, bomb disposal, fire eater, sword swallower, tightrope walker, ventriloquist, puppet show,
    séance, exorcism, knighting, barn raising, cattle branding, sheep shearing, whaling, gold panning, coal mine,
    autopsy, dissection, petri dish, dna helix, brain scan, root canal, hearing aid, iron lung, leech therapy,
    stock exchange floor, auction, jury, electric chair, ballot box, chess clock, crossword, punch card, slide rule,
    vacuum tube, telegraph key, phonograph, film projector, pinhole camera, hologram, kaleidoscope, periscope
    """
RARE = tuple(" ".join(thing.split()) for thing in _THINGS.split(","))
# What is shown has to come up to what this share of the rare things does not reach.
SHARE = 0.5
_LEAST_SPREAD = 1e-3


class Bar(msgspec.Struct, frozen=True):
    """From which cosine on a picture matches words, in one library, and how the best hits of rare things spread."""

    height: float
    spread: float

    @classmethod
    def of(cls, texts: Vector, pictures: Vector) -> Bar:
        """Return the bar that follows from unit rows: the rare things' (t, dim) and a library's pictures' (n, dim)."""
        best = product(texts, pictures.T).max(axis=1)
        return cls(float(np.quantile(best, SHARE)), max(float(best.std()), _LEAST_SPREAD))
