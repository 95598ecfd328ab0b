"""What words mean: ImageNet's 21,844 WordNet nouns with their definitions, and which of them a text speaks of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEMMAS = "imagenet_synset_to_lemma.txt"
DEFINITIONS = "imagenet_synset_to_definition.txt"
SYNSETS = "imagenet_synsets.txt"

# "a close-up photo of a dog" speaks of a dog, not of photography, which is a subject of its own to a text encoder.
_PREAMBLE = re.compile(
    r"^(?:itap of|(?:an?|the|some|my)?\s*(?:[\w-]+\s+){0,3}(?:photo|picture|image|photograph|snapshot)s?\s+"
    r"(?:of|showing|with))\s+",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:an?|the|some)\s+", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9][a-z0-9'-]*")
_SILENT = frozenset(
    """a an and are as at be being beside big but by for from has have he her his in into is it its large little my near no
    not of off on one onto or our over she small some that the their them there they this to two under very was we while
    who with without you your""".split()  # noqa: SIM905 - a list of fifty quoted words reads worse
)
_LONGEST = 4
_MOST_SENSES = 6
_PLURALS = (("ies", "y"), ("ves", "fe"), ("ves", "f"), ("es", ""), ("s", ""))


class Meaning(msgspec.Struct, frozen=True):
    """The definitions that a text leads to, one tuple per noun found, and the share 0..1 of its words that they cover."""

    nouns: tuple[tuple[str, ...], ...] = ()
    share: float = 0.0


class Dictionary:
    """Nouns with their senses; each sense is the text "names, definition"."""

    def __init__(self, folder: Path) -> None:
        definitions = read_table(folder / DEFINITIONS)
        self._senses: dict[str, list[tuple[int, str]]] = {}
        for synset, names in read_table(folder / LEMMAS).items():
            text = f"{names}, {definitions.get(synset, '')}"
            for place, name in enumerate(names.split(",")):
                self._senses.setdefault(name.strip().lower(), []).append((place, text))

    def meaning(self, text: str) -> Meaning:
        """Return what the nouns of ``text`` mean, the longest names first ("hot dog" before "dog")."""
        words = _WORD.findall(text.lower())
        found, covered, start = [], 0, 0
        while start < len(words):
            for count in range(min(_LONGEST, len(words) - start), 0, -1):
                senses = self._look_up(words[start : start + count])
                if senses:
                    found.append(senses)
                    covered += sum(word not in _SILENT for word in words[start : start + count])
                    start += count
                    break
            else:
                start += 1
        speaking = sum(word not in _SILENT for word in words)
        return Meaning(tuple(found), covered / speaking if speaking else 0.0)

    def _look_up(self, words: list[str]) -> tuple[str, ...]:
        """Return the senses of a noun; only those that it is the usual name of, where there are any."""
        if len(words) == 1 and (words[0] in _SILENT or len(words[0]) < 2):
            return ()
        for name in _forms(" ".join(words)):
            if senses := self._senses.get(name):
                usual = [text for place, text in senses if place == 0]
                return tuple((usual or [text for _, text in senses])[:_MOST_SENSES])
        return ()


def _forms(name: str) -> Iterator[str]:
    yield name
    for ending, singular in _PLURALS:
        if name.endswith(ending) and len(name) > len(ending) + 2:
            yield name.removesuffix(ending) + singular


def subject(text: str) -> str:
    """Return ``text`` without "a photo of a" in front; the whole where nothing else is left."""
    return _ARTICLE.sub("", _PREAMBLE.sub("", text.strip())).strip(" .") or text


def class_texts(folder: Path) -> list[tuple[str, str]]:
    """Return ImageNet-1k's classes in the classifier's order, each as its names and as its names and definition."""
    names, definitions = read_table(folder / LEMMAS), read_table(folder / DEFINITIONS)
    synsets = (folder / SYNSETS).read_text("utf-8").split()
    return [(names[synset], f"{names[synset]}, {definitions[synset]}") for synset in synsets]


def read_table(path: Path) -> dict[str, str]:
    """Return the rows of one of timm's files: synset, tab, text."""
    rows = (line.partition("\t") for line in path.read_text("utf-8").splitlines())
    return {key: value for key, _, value in rows if key}
