"""What happens while categorizers are asked counts: a changed vocabulary, an asset that is deleted, one that is erased."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import opsin
from opsin.services.assets import ingest
from opsin.services.keeping.doctor import examine_library
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

ALWAYS = {"default": -50.0}
RED = jpeg_bytes(make_picture("red", "square", 96))


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library with one picture, a vocabulary of its own, and categorizers of pixels and of features."""
    library = make_library(vocabularies=())
    library.vocabularies.create("mine", [opsin.Label(id="before", prompts=("red",), threshold=ALWAYS)])
    library.add(RED)
    return library


def change(library: opsin.Library) -> None:
    """Exchange the label of the vocabulary, and score the library by it."""
    library.vocabularies.edit_label("mine", "after", prompts=("red",), threshold=ALWAYS)
    library.vocabularies.remove_label("mine", "before")
    library.vocabularies.rescore("mine")


def meanwhile(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, happens: Callable[[], object]) -> None:
    """Let something happen once, when a step begins or, as categorizers are asked, when they have answered."""
    step = getattr(place, name)

    def stepped(*given: Any, **more: Any) -> Any:
        monkeypatch.undo()
        answer = step(*given, **more) if name == "categorize_many" else None
        happens()
        return step(*given, **more) if answer is None else answer

    monkeypatch.setattr(place, name, stepped)


def complaints(library: opsin.Library) -> list[str]:
    return [each.message for each in examine_library(library.path) if each.state != "ok" and each.area != "space"]


def test_a_picture_is_judged_by_the_vocabulary_that_there_is_when_it_is_stored(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, ingest, "write", lambda: change(library))
    (added,) = library.add(jpeg_bytes(make_picture("red", "circle", 96)))
    assert added.asset is not None
    assert {"before", "after"} & {tag.label for tag in added.asset.tags} == {"after"}
    assert complaints(library) == []


def test_a_job_does_not_bring_back_what_a_former_vocabulary_said(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = library.plan_reanalysis()
    meanwhile(monkeypatch, library._workspace.host, "categorize_many", lambda: change(library))
    library.reanalyse(plan)
    (asset,) = library.list()
    assert {"before", "after"} & {tag.label for tag in asset.tags} == {"after"}
    assert complaints(library) == []


@pytest.mark.parametrize("at_once", [False, True])
def test_a_job_gives_no_tags_to_what_was_deleted_meanwhile(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch, *, at_once: bool
) -> None:
    (asset,) = library.list()
    plan = library.plan_reanalysis()
    meanwhile(
        monkeypatch, library._workspace.host, "categorize_many", lambda: library.delete(asset.id, at_once=at_once)
    )
    library.reanalyse(plan)
    assert library.tags() == []
    assert complaints(library) == []
    if not at_once:
        assert library.undelete(asset.id).tags == asset.tags
        assert complaints(library) == []


def test_what_is_brought_back_is_judged_by_the_vocabulary_that_there_is_by_then(library: opsin.Library) -> None:
    (asset,) = library.list()
    library.delete(asset.id)
    change(library)
    assert complaints(library) == []
    assert {"before", "after"} & {tag.label for tag in library.undelete(asset.id).tags} == {"after"}
    assert complaints(library) == []
