"""Trying out a change of a vocabulary: it says what the change then does, and changes nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.errors import SettingError, Taken, UnknownName, UsageError
from opsin.library import Effect

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

ALWAYS = {"default": -5.0}


@pytest.fixture
def filled(make_library: MakeLibrary, photos: Path) -> opsin.Library:
    """Return a library with six pictures and the vocabulary "mine", whose label every picture has."""
    library = make_library(vocabularies=())
    library.vocabularies.create("mine", [opsin.Label(id="shape", prompts=("square",), threshold=ALWAYS)])
    library.add(photos)
    return library


def tags_of(library: opsin.Library) -> dict[str, frozenset[str]]:
    return {each.id: frozenset(tag.label for tag in each.tags) for each in library.list()}


def agree(library: opsin.Library, tried: Effect, change: Callable[[], object]) -> None:
    """Check that a change does what it was said to do."""
    before = tags_of(library)
    change()
    if any(each.name == "mine" for each in library.vocabularies.list()):
        library.vocabularies.rescore("mine")
    after = tags_of(library)
    added = Counter(label for row in after for label in after[row] - before[row])
    removed = Counter(label for row in after for label in before[row] - after[row])
    assert {each.label: (each.added, each.removed) for each in tried.labels} == {
        label: (added[label], removed[label]) for label in added.keys() | removed.keys()
    }
    assert (tried.tags_added, tried.tags_removed) == (added.total(), removed.total())
    assert tried.changed == sum(after[row] != before[row] for row in after)
    assert tried.contents == tried.total == 6


def test_what_a_try_says_is_what_the_change_does_and_the_try_changes_nothing(filled: opsin.Library) -> None:
    known = filled.vocabularies
    before, revision = tags_of(filled), known.get("mine").revision
    tried = known.try_edit_label("mine", "reddish", prompts=("red",), threshold={"default": 0.5}, parents=["shape"])
    assert tried.tags_added
    assert (tags_of(filled), known.get("mine").revision) == (before, revision)
    agree(
        filled,
        tried,
        lambda: known.edit_label("mine", "reddish", prompts=("red",), threshold={"default": 0.5}, parents=["shape"]),
    )
    higher = known.try_edit_label("mine", "shape", threshold={"default": 50.0})
    assert [(each.label, each.removed) for each in higher.labels] == [("shape", 4)]  # two are reddish, which implies it
    agree(filled, higher, lambda: known.edit_label("mine", "shape", threshold={"default": 50.0}))
    agree(filled, known.try_remove_label("mine", "reddish"), lambda: known.remove_label("mine", "reddish"))
    agree(
        filled,
        known.try_edit_label("mine", "shape", threshold=ALWAYS),
        lambda: known.edit_label("mine", "shape", threshold=ALWAYS),
    )
    filled.tag(next(iter(before)), add=["shape"])
    gone = known.try_remove("mine")
    assert gone.tags_removed == 5
    agree(filled, gone, lambda: known.remove("mine"))
    labels = [opsin.Label(id="thing", prompts=("blue",), threshold=ALWAYS)]
    made = known.try_add("mine", labels)
    assert made.tags_added == 6
    agree(filled, made, lambda: known.create("mine", labels))


def test_a_shipped_vocabulary_can_be_tried_and_a_part_of_the_library_looked_at(filled: opsin.Library) -> None:
    tried = filled.vocabularies.try_add("everyday", most=4)
    assert (tried.contents, tried.total) == (4, 6)
    assert [each.name for each in filled.vocabularies.list()] == ["mine"]


def test_pictures_go_on_being_tagged_as_they_were_while_something_is_tried(filled: opsin.Library, photos: Path) -> None:
    """What is tried shares the categorizers in use: neither may close or exchange what the other works with."""
    stop = threading.Event()

    def try_on() -> None:
        while not stop.is_set():
            filled.vocabularies.try_edit_label("mine", "shape", threshold={"default": 50.0})

    thread = threading.Thread(target=try_on)
    thread.start()
    try:
        for number in range(4):
            filled.vocabularies.edit_label("mine", "other", prompts=(f"green {number}",), threshold=ALWAYS)
            filled.vocabularies.rescore("mine")
    finally:
        stop.set()
        thread.join()
    assert all({"shape", "other"} <= labels for labels in tags_of(filled).values())


def test_what_cannot_be_changed_cannot_be_tried(filled: opsin.Library) -> None:
    known = filled.vocabularies
    known.edit_label("mine", "square", parents=["shape"])
    before = known.get("mine").revision
    wrong: list[tuple[type[Exception], Callable[[], object]]] = [
        (UnknownName, lambda: known.try_edit_label("nobodys", "shape", group="x")),
        (UnknownName, lambda: known.try_remove_label("mine", "nobodys")),
        (UnknownName, lambda: known.try_remove("nobodys")),
        (UnknownName, lambda: known.try_add("nobodys")),
        (UnknownName, lambda: known.add_shipped("/etc/passwd.toml")),
        (Taken, lambda: known.try_add("mine", [])),
        (UsageError, lambda: known.try_remove("mine", most=0)),
        (SettingError, lambda: known.try_remove_label("mine", "shape")),
        (SettingError, lambda: known.try_edit_label("mine", "shape", parents=["square"])),
        (SettingError, lambda: known.create("../up", [])),
        (SettingError, lambda: known.create("twice", [opsin.Label(id="a"), opsin.Label(id="a")])),
    ]
    for kind, call in wrong:
        with pytest.raises(kind):
            call()
    assert known.get("mine").revision == before
    assert [each.name for each in known.list()] == ["mine"]
