"""What ImageNet's classes are called: names and definitions from timm's files, as texts to embed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class ClassInfo(msgspec.Struct, frozen=True):
    """One class: its WordNet synset, its names (the usual one first) and its definition."""

    synset: str
    names: tuple[str, ...]
    definition: str


def read_classes(folder: Path) -> list[ClassInfo]:
    """Return ImageNet-1k's 1,000 classes in the order of the classifier's outputs."""
    names = _table(folder / "imagenet_synset_to_lemma.txt")
    definitions = _table(folder / "imagenet_synset_to_definition.txt")
    synsets = (folder / "imagenet_synsets.txt").read_text("utf-8").split()
    return [
        ClassInfo(synset, tuple(name.strip() for name in names[synset].split(",")), definitions.get(synset, ""))
        for synset in synsets
    ]


def _table(path: Path) -> dict[str, str]:
    rows = (line.partition("\t") for line in path.read_text("utf-8").splitlines())
    return {key: value for key, _, value in rows if key}


def class_texts(classes: list[ClassInfo]) -> list[str]:
    """Return one text per class to embed."""
    return [", ".join(each.names) for each in classes]
