"""Scores the basic colour terms, and black-and-white, from a stored palette."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from opsin import Categorizer, Context, Declined, Item, Label, Match, Matches, Vocabulary
from opsin_colors import Config
from opsin_colors.names import TERMS, css_names, term_of
from opsin_colors.oklab import to_rgb

BLACK_AND_WHITE = "black_and_white"
NOTICEABLE = 0.01  # the share from which a colour counts against black-and-white
_SYNONYMS = {"gray": ("grey",), "purple": ("violet",)}


class Colors(Categorizer):
    """Says which basic colours make up a picture.

    A match of a colour carries ``share`` (0..1 of the picture) and, per palette entry of that colour, ``hex``,
    ``names`` (CSS) and ``shares``; all matches together hold the whole palette.
    """

    id = "colors"
    needs = frozenset({"palette"})
    vocabulary = Vocabulary(
        name="colors",
        summary="The eleven basic colour terms (Berlin & Kay 1969), and black-and-white",
        labels=(
            *(Label(id=term, synonyms=_SYNONYMS.get(term, ())) for term in TERMS),
            Label(id=BLACK_AND_WHITE, synonyms=("monochrome", "grayscale")),
        ),
    )

    def __init__(self, config: Config) -> None:
        self._config = config
        self.revision = "1+" + sha256(msgspec.json.encode(config)).hexdigest()[:8]

    def load(self, context: Context) -> None:  # noqa: ARG002
        css_names(np.zeros((1, 3), np.float32))  # reads the table of names

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        return [self._judge(item.features["palette"]) for item in batch]

    def _judge(self, palette: NDArray[np.float32]) -> Matches:
        used = palette[palette[:, 3] > 0]
        lab, shares = used[:, :3], used[:, 3]
        names = css_names(lab)
        hexes = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in to_rgb(lab).tolist()]
        entries: dict[str, list[int]] = {}
        for place, color in enumerate(lab):
            entries.setdefault(term_of(color), []).append(place)
        matches = [
            Match(
                term,
                _score(share := float(shares[places].sum()), self._config.share),
                {
                    "share": share,
                    "hex": [hexes[place] for place in places],
                    "names": [names[place] for place in places],
                    "shares": [float(shares[place]) for place in places],
                },
            )
            for term, places in entries.items()
        ]
        chroma = float(np.hypot(lab[:, 1], lab[:, 2])[shares >= NOTICEABLE].max(initial=0))
        return Matches((*matches, Match(BLACK_AND_WHITE, _score(self._config.chroma, chroma), {"chroma": chroma})))

    def explain(self, item: Item, label: Label) -> dict[str, Any]:
        """Return the threshold, what was measured, and how the score follows from both."""
        grey = label.id == BLACK_AND_WHITE
        found = {match.label: match for match in self._judge(item.features["palette"]).matches}
        match = found.get(label.id, Match(label.id, 0.0, {"share": 0.0}))
        more, less = ("threshold", "chroma") if grey else ("share", "threshold")
        return {
            "threshold": self._config.chroma if grey else self._config.share,
            **match.attributes,
            "formula": f"score = {more}^2 / ({more}^2 + {less}^2)",
            "score": match.score,
        }


def _score(more: float, less: float) -> float:
    """Return 0..1: how far ``more`` exceeds ``less``; 0.5 where both are equal."""
    return more**2 / (more**2 + less**2)
