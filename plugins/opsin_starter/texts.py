"""Turns texts into MiniLM's unit vectors: tokens, batches of like length, the compiled network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from opsin import Compiled, Context

WIDTH = 384
MAX_TOKENS = 128
# Characters of a text that are read at all: 128 tokens of any language are fewer. Tokens of a megabyte would take seconds.
LONGEST = 2000
BATCH = 64


class TextSide:
    """Encodes texts with the compiled network of ``weights``; f32, so that texts are the same on every machine."""

    def __init__(self, weights: Path, tokenizer: Path, key: str, context: Context) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

        def build() -> object:
            from opsin_starter.networks import TextNetwork

            return TextNetwork(weights)

        ids = np.array([[101, 3899, 102], [101, 4937, 102]], np.int64)
        example = (ids, np.ones_like(ids))
        self._network: Compiled = context.compile(build, example, key=f"minilm-l6-{key}", precision="f32")

    @property
    def runtime(self) -> str:
        return self._network.runtime

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, 384). Texts are cut after 128 tokens."""
        out = np.zeros((len(texts), WIDTH), np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            length = len(tokens[places[-1]])
            ids = np.zeros((len(places), length), np.int64)
            mask = np.zeros((len(places), length), np.int64)
            for row, place in enumerate(places):
                ids[row, : len(tokens[place])] = tokens[place]
                mask[row, : len(tokens[place])] = 1
            (out[places],) = self._network(ids, mask)
        return out


def beginning(text: str) -> str:
    """Return what of a text is read."""
    return text.strip()[:LONGEST]
