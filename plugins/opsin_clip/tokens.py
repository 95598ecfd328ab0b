"""Turns texts into the token ids of open_clip's tokenizers, without torch."""

from __future__ import annotations

import gzip
import html
import importlib.util
import re
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opsin.errors import PluginUnavailable
from opsin_clip.cache import offline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opsin_clip.recipe import Tokens

# CLIP's byte-pair encoding (Radford et al. 2021): 256 bytes, each also as the end of a word, and this many merges
MERGES = 49152 - 256 - 2
START, END = "<start_of_text>", "<end_of_text>"
PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
LONGEST = (
    2000  # characters of a text that are read: any model's tokens are fewer, and of a megabyte they would take seconds
)
STEP = 8  # shortened texts are padded to a multiple of this, so that the runtime meets few lengths


class Tokenizer:
    """Gives int64 (n, length) for n texts: ``length`` is the model's, or less where the rest cannot matter."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._clean = CLEANERS[tokens.clean]
        self._encode: Callable[[list[str]], NDArray[np.int64]] = _hub(tokens) if tokens.hub else _clip(tokens)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return self._encode([self._clean(text.strip()[:LONGEST]) for text in texts])


def _basic(text: str) -> str:
    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def _whitespace(text: str) -> str:
    return " ".join(_basic(text).split())


def _lower(text: str) -> str:
    return _whitespace(text).lower()


def _canonical(text: str) -> str:
    bare = _basic(text).replace("_", " ").translate(str.maketrans("", "", string.punctuation))
    return " ".join(bare.lower().split())


CLEANERS: dict[str, Callable[[str], str]] = {"lower": _lower, "whitespace": _whitespace, "canonicalize": _canonical}


def _clip(tokens: Tokens) -> Callable[[list[str]], NDArray[np.int64]]:
    """Return CLIP's own tokenizer, with the merges that open_clip ships."""
    from tokenizers import Regex
    from tokenizers import Tokenizer as Engine
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    letters = _byte_letters()
    merges = _merges()
    vocabulary = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    ids = {word: number for number, word in enumerate(vocabulary)}
    engine = Engine(BPE(vocab=ids, merges=merges, end_of_word_suffix="</w>", fuse_unk=False))
    # the pieces are what the expression matches; the rest (whitespace) is dropped, as CLIP drops it
    pieces = Split(Regex(PIECES), "removed", invert=True)
    engine.pre_tokenizer = Sequence([pieces, ByteLevel(add_prefix_space=False, use_regex=False)])
    engine.add_special_tokens([START, END])
    start, end = ids[START], ids[END]

    def encode(texts: list[str]) -> NDArray[np.int64]:
        rows = [[start, *encoding.ids, end] for encoding in engine.encode_batch(texts, add_special_tokens=False)]
        rows = [row if len(row) <= tokens.length else [*row[: tokens.length - 1], end] for row in rows]
        width = tokens.length
        if tokens.trim:
            longest = max(map(len, rows), default=1)
            width = min(width, -(-longest // STEP) * STEP)
        table = np.zeros((len(rows), width), np.int64)
        for number, row in enumerate(rows):
            table[number, : len(row)] = row
        return table

    return encode


def _merges() -> list[tuple[str, str]]:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        msg = "open_clip is not installed: pip install open-clip-torch"
        raise PluginUnavailable(msg)
    path = Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : MERGES + 1]
    return [(left, right) for left, _, right in (line.partition(" ") for line in lines)]


def _byte_letters() -> list[str]:
    """Return the printable letters that stand for the 256 bytes in GPT-2's alphabet (Radford et al. 2019), in order.

    Printable bytes of Latin-1 stand for themselves, in order; the others follow as the code points from 256 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def _hub(tokens: Tokens) -> Callable[[list[str]], NDArray[np.int64]]:
    """Return a Hugging Face tokenizer from the hub's cache or a folder; the network is never asked."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        msg = f"the tokenizer of this model needs transformers ({error}): pip install transformers"
        raise PluginUnavailable(msg) from error
    if tokens.mode:
        msg = f"tokenizers of the mode {tokens.mode!r} are not supported"
        raise PluginUnavailable(msg)
    try:
        with offline():
            tokenizer: Any = AutoTokenizer.from_pretrained(tokens.hub, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = re.sub(r"\s+", " ", str(error))
        msg = f"the tokenizer {tokens.hub} is not on this machine: run `opsin encoders install` again ({reason:.200})"
        raise PluginUnavailable(msg) from error
    if tokens.language and hasattr(tokenizer, "set_src_lang_special_tokens"):
        tokenizer.set_src_lang_special_tokens(tokens.language)

    def encode(texts: list[str]) -> NDArray[np.int64]:
        answer = tokenizer(texts, max_length=tokens.length, padding="max_length", truncation=True)
        ids = np.asarray(answer["input_ids"], np.int64).reshape(len(texts), -1)
        if tokens.strip_separator:
            ids[ids == tokenizer.sep_token_id] = 0
        return ids

    return encode
