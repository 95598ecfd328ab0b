"""Two plugins for the soak: what they say of a picture is plain, but by chance they do what no plugin should.

``here`` runs in the service's own process and raises, or answers wrongly; once it hangs and comes back late. ``apart`` runs
isolated, and also hangs for good, exits and is killed. Faults happen while the file ``faults`` is in the folder that their
settings name. Each call leaves a letter in a file of that folder, whose length, with the seed, decides what happens next: of
every dozen calls one to three in a row fail, in one way; all ways have their turn.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from opsin import Categorizer, Frames, Item, Label, Manifest, Match, Matches, Vocabulary, hookimpl

FAULTS = "faults"
"""The file that lets faults happen."""
HERE, APART = "soak_here", "soak_apart"
LETTERS = {"r": "raised", "l": "came late", "h": "hung", "x": "exited", "k": "was killed"}
LETTERS |= {"s": "answered too little", "n": "answered NaN", "u": "answered an unknown label"}
WAYS = {HERE: "rsrnru", APART: "rhxkrsnu"}
"""In what order the faults come; the very first one of ``here`` is that it comes late."""
_SPAN = 12
_LONGEST = 3


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``folder``: where to find the file ``faults``; ``deadline``: seconds that the host gives a batch."""

    folder: str
    seed: int
    deadline: float


class Faulty(Categorizer):
    """Says how bright a picture is, if nothing happens."""

    revision = "1"

    def __init__(self, name: str, config: Config) -> None:
        self.id = name
        self.needs = Frames(min_side=64) if name == APART else frozenset({"embedding"})
        self.vocabulary = Vocabulary(name=name, labels=(Label(id=f"{name}_bright"),))
        self._config = config

    def categorize(self, batch: Sequence[Item]) -> Any:
        """Answer, or do something else."""
        fate = self._fate()
        if fate == "r":
            raise ValueError("a fault of the soak")
        if fate == "l":
            time.sleep(self._config.deadline + 0.5)
        if fate == "h":
            time.sleep(3600)
        if fate == "x":
            os._exit(7)
        if fate == "k":
            os.kill(os.getpid(), signal.SIGKILL)
        good = [Matches((Match(f"{self.id}_bright", _brightness(item)),)) for item in batch]
        wrong: dict[str, Any] = {
            "s": good[1:],
            "n": [Matches((Match(f"{self.id}_bright", float("nan")),)) for _ in batch],
            "u": [Matches((Match("never_heard_of", 0.5),)) for _ in batch],
        }
        return wrong.get(fate, good)

    def _fate(self) -> str:
        """Return what happens in this call: a letter, or "." where nothing does."""
        folder = Path(self._config.folder)
        if not (folder / FAULTS).exists():
            return "."
        with (folder / f"{self.id}.calls").open("ab") as calls:
            fate = fate_of(self.id, calls.tell(), self._config.seed)
            calls.write(fate.encode())
        return fate


def fate_of(name: str, number: int, seed: int) -> str:
    """Return what happens in the call of this number."""
    span, place = divmod(number, _SPAN)
    chance = random.Random(f"{seed} {name} {span}")
    first, count = chance.randrange(_SPAN - _LONGEST), chance.randint(1, _LONGEST)
    if name == HERE and span == 0:
        return "l" if place == first else "."
    return WAYS[name][span % len(WAYS[name])] if first <= place < first + count else "."


def _brightness(item: Item) -> float:
    if item.frame is not None:
        return float(item.frame.pixels.mean()) / 255
    return float(np.clip(np.abs(item.features["embedding"]).mean() * 10, 0, 1))


class Faults:
    """The hooks of one of the two plugins."""

    def __init__(self, name: str) -> None:
        self._name = name

    @hookimpl
    def opsin_manifest(self) -> Manifest:
        return Manifest(name=self._name, summary="Fails by chance", config=Config, isolate=self._name == APART)

    @hookimpl
    def opsin_categorizers(self, config: Config) -> Sequence[Categorizer]:
        return [Faulty(self._name, config)]


here = Faults(HERE)
apart = Faults(APART)
