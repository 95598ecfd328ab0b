"""Opsin's tokens are open_clip's tokens, made without torch."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from opsin.errors import PluginUnavailable
from opsin.host.torch_repair import watch_torchvision
from opsin_clip.recipe import Tokens
from opsin_clip.tokens import Tokenizer

TEXTS = (
    "a photo of a dog",
    "  Two   CATS,\tone\nhat! ",
    "it's they'll I'd we've you're don't 'tis",
    "naïve café Ærøskøbing STRASSE straße İstanbul",
    "価格は３,０００円です。 Привет мир — ça va?",
    "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 and \u2603",
    "&lt;b&gt; &amp;amp; fish &quot;chips&quot;",
    "schÃ¶n â€œquotedâ€\x9d",
    "3.14159 2026-11-23 x86_64 C++ C# a/b\\c",
    "",
    "...!!!???",
    "antidisestablishmentarianism " * 40,
    "<start_of_text> <end_of_text> <|endoftext|>",
    "underscored_words_and-dashes",
)


@pytest.mark.parametrize("length", [77, 16])
def test_clip_texts_get_the_ids_of_open_clip(length: int) -> None:
    watch_torchvision()
    from open_clip import SimpleTokenizer

    theirs = SimpleTokenizer(context_length=length)(list(TEXTS)).numpy()
    ours = Tokenizer(Tokens(length=length))(TEXTS)
    wrong = [text for text, a, b in zip(TEXTS, ours, theirs, strict=True) if not np.array_equal(a, b)]
    assert wrong == []


@pytest.mark.parametrize("clean", ["lower", "whitespace", "canonicalize"])
def test_texts_are_cleaned_as_open_clip_cleans_them(clean: str) -> None:
    watch_torchvision()
    from open_clip.tokenizer import get_clean_fn

    from opsin_clip.tokens import CLEANERS

    theirs = get_clean_fn(clean)
    assert [CLEANERS[clean](text) for text in TEXTS] == [theirs(text) for text in TEXTS]


def test_of_a_megabyte_the_beginning_is_read_and_no_more() -> None:
    tokenizer = Tokenizer(Tokens(length=77))
    begun = time.monotonic()
    for word in ("cat ", "x", "\u732b"):
        whole, beginning = tokenizer([word * 1_000_000, (word * 1_000_000)[:2000]])
        assert np.array_equal(whole, beginning)
    assert time.monotonic() - begun < 5


def test_what_follows_the_end_of_all_texts_is_left_out_where_it_cannot_matter() -> None:
    short = Tokenizer(Tokens(length=77, trim=True))(["a dog", "a cat on a mat"])
    long = Tokenizer(Tokens(length=77))(["a dog", "a cat on a mat"])
    assert short.shape == (2, 8)
    assert np.array_equal(short, long[:, :8])
    assert not long[:, 8:].any()
    assert Tokenizer(Tokens(length=77, trim=True))(["word " * 99]).shape == (1, 77)


def test_a_hub_tokenizer_is_read_from_a_folder_without_the_network(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Engine
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    words = {word: number for number, word in enumerate(["<pad>", "<eos>", "<unk>", "a", "dog", "cat"])}
    engine = Engine(WordLevel(words, unk_token="<unk>"))
    engine.pre_tokenizer = Whitespace()
    engine.post_processor = TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    engine.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "pad_token": "<pad>",
                "eos_token": "<eos>",
                "unk_token": "<unk>",
            }
        )
    )
    tokenizer = Tokenizer(Tokens(length=6, clean="canonicalize", hub=str(tmp_path)))
    assert tokenizer(["A dog!", "cat a cat a cat a cat"]).tolist() == [[3, 4, 1, 0, 0, 0], [5, 3, 5, 3, 5, 1]]


def test_a_hub_tokenizer_that_is_not_here_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PluginUnavailable, match="opsin encoders install"):
        Tokenizer(Tokens(length=64, hub="someone/not-here"))
