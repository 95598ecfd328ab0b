"""How the starter finds out what a text speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsin_starter.dictionary import DEFINITIONS, LEMMAS, SYNSETS, Dictionary, class_texts, subject

ROWS = {
    "n1": ("dog, domestic dog", "a barking animal"),
    "n2": ("andiron, firedog, dog", "a metal stand in a fireplace"),
    "n3": ("hot dog, hotdog", "a sausage in a roll"),
    "n4": ("beach", "a strip of sand"),
    "n5": ("knife", "a tool for cutting"),
    "n6": ("bass, sea bass", "a fish"),
    "n7": ("bass, bass part", "a low voice"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / LEMMAS).write_text("\n".join(f"{key}\t{names}" for key, (names, _) in ROWS.items()), "utf-8")
    (tmp_path / DEFINITIONS).write_text("\n".join(f"{key}\t{text}" for key, (_, text) in ROWS.items()), "utf-8")
    (tmp_path / SYNSETS).write_text("n4\nn1\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog", "dog"),
        ("a dog", "dog"),
        ("A photo of a dog.", "dog"),
        ("a black and white photo of the dog", "dog"),
        ("a close-up photo of dogs at a beach", "dogs at a beach"),
        ("itap of a dog", "dog"),
        ("a photo", "photo"),
        ("photo album", "photo album"),
        ("", ""),
    ],
)
def test_the_subject_is_what_the_photo_is_of(text: str, expected: str) -> None:
    assert subject(text) == expected


def test_a_noun_leads_to_its_usual_sense(folder: Path) -> None:
    meaning = Dictionary(folder).meaning("dog")
    assert meaning.nouns == (("dog, domestic dog, a barking animal",),)
    assert meaning.share == 1


def test_a_noun_with_two_usual_senses_leads_to_both(folder: Path) -> None:
    assert len(Dictionary(folder).meaning("bass").nouns[0]) == 2


def test_the_longest_name_wins(folder: Path) -> None:
    assert Dictionary(folder).meaning("hot dog").nouns == (("hot dog, hotdog, a sausage in a roll",),)


def test_plurals_and_capitals_are_understood(folder: Path) -> None:
    dictionary = Dictionary(folder)
    assert dictionary.meaning("Dogs").nouns == dictionary.meaning("dog").nouns
    assert dictionary.meaning("knives").nouns == dictionary.meaning("knife").nouns != ()
    assert dictionary.meaning("beaches").nouns == dictionary.meaning("beach").nouns


def test_definitions_weigh_as_much_as_the_share_of_words_they_explain(folder: Path) -> None:
    meaning = Dictionary(folder).meaning("a happy dog on the sunny beach")
    assert len(meaning.nouns) == 2
    assert meaning.share == 0.5


def test_unknown_words_have_no_meaning(folder: Path) -> None:
    meaning = Dictionary(folder).meaning("zyzzyva 漢字")
    assert meaning.nouns == ()
    assert meaning.share == 0


def test_classes_come_in_the_order_of_the_classifier(folder: Path) -> None:
    assert class_texts(folder)[1] == ("dog, domestic dog", "dog, domestic dog, a barking animal")
