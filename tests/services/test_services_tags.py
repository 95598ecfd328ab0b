"""Tags by models and by people, their explanation, and asking again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.services.again import reanalysed
else:
    from again import reanalysed


@pytest.fixture
def filled(library: opsin.Library, photos: Path) -> opsin.Library:
    library.add(photos)
    return library


def labels(library: opsin.Library, name: str) -> list[str]:
    return [tag.label for tag in library.get(name).tags]


def test_a_persons_tag_outlives_reanalysis_and_a_removal_is_final(filled: opsin.Library) -> None:
    filled.tag("red-square.jpg", add=["Keeper"], remove=["red"])
    assert "keeper" in labels(filled, "red-square.jpg")
    assert "red" not in labels(filled, "red-square.jpg")
    reanalysed(filled, filled.plan_reanalysis())
    assert "keeper" in labels(filled, "red-square.jpg")
    assert "red" not in labels(filled, "red-square.jpg")
    assert "red-square.jpg" not in [asset.name for asset in filled.list(where=["tag=red"])]
    assert [asset.name for asset in filled.list(where=["tag=keeper"])] == ["red-square.jpg"]


def test_tags_are_sorted_by_name(filled: opsin.Library) -> None:
    found = labels(filled, "blue-circle.jpg")
    assert found == sorted(found)


def test_the_counts_of_tags_agree_with_the_list(filled: opsin.Library) -> None:
    filled.tag("red-square.jpg", add=["keeper"], remove=["red"])
    counts = {entry.label: entry.count for entry in filled.tags()}
    assert counts["keeper"] == 1
    for label, count in counts.items():
        assert count == sum(label in [tag.label for tag in asset.tags] for asset in filled.list()), label


@pytest.mark.parametrize("call", [{"add": ["!!!"]}, {"add": ["x"], "remove": ["X"]}])
def test_a_tag_without_sense_is_refused(filled: opsin.Library, call: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError):
        filled.tag("red-square.jpg", **call)


def test_reanalysis_from_features_opens_no_picture(filled: opsin.Library, photos: Path) -> None:
    before = {asset.name: asset.tags for asset in filled.list()}
    for path in photos.iterdir():
        path.unlink()
    done = reanalysed(filled, filled.plan_reanalysis(categorizers=["fake"]))
    assert len(done) == 6
    assert not any(entry.opened or entry.problem for entry in done)
    assert {asset.name: asset.tags for asset in filled.list()} == before


def test_reanalysis_that_needs_the_picture_says_where_it_is_gone(filled: opsin.Library, photos: Path) -> None:
    (photos / "red-square.jpg").unlink()
    done = {
        Path(entry.location).name: entry
        for entry in reanalysed(filled, filled.plan_reanalysis(categorizers=["quality"]))
    }
    assert done["green-circle.jpg"].opened
    assert done["green-circle.jpg"].problem is None
    assert done["red-square.jpg"].problem is not None
    assert done["red-square.jpg"].problem.code == "source-unavailable"


def test_nothing_is_missing_or_stale_after_adding(filled: opsin.Library) -> None:
    assert len(filled.plan_reanalysis(missing=True, stale=True)) == 0


def test_an_unknown_categorizer_is_an_error_that_names_those_there_are(filled: opsin.Library) -> None:
    with pytest.raises(UnknownName, match="quality"):
        filled.plan_reanalysis(categorizers=["nobody"])


def test_a_word_of_another_language_is_a_tag_of_its_own_unless_that_language_is_set(
    library: opsin.Library, photos: Path
) -> None:
    library.add(photos)
    library.tag("red-square.jpg", add=["Katze", "automobile", "mode"])
    found = labels(library, "red-square.jpg")
    assert {"katze", "car", "mode"} <= set(found)
    assert "cat" not in found
    assert (library.tag_of("Katze"), library.tag_of("Automobile"), library.tag_of("Dog")) == ("katze", "car", "dog")


def test_a_synonym_or_a_name_in_a_language_that_is_set_means_the_label(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library(settings='[tags]\nlanguages = ["de"]\n')
    library.add(photos)
    assert library.tag_of("gato") == "gato"
    library.tag("red-square.jpg", add=["Katze", "canine"])
    assert {"cat", "dog"} <= set(labels(library, "red-square.jpg"))
    assert [asset.name for asset in library.list(where=["tag=Katze"])] == ["red-square.jpg"]
    assert library.explain("red-square.jpg", "Katze").label == "cat"


def test_the_names_that_each_of_two_vocabularies_has_for_a_label_mean_it(
    make_library: MakeLibrary, tmp_path: Path
) -> None:
    library = make_library(settings='[tags]\nlanguages = ["de"]\n')
    path = tmp_path / "pets.toml"
    path.write_text(
        'name = "pets"\n[labels]\ndog = { name = "doggo", names = { de = "Wauwau", fr = "toutou" } }\n', "utf-8"
    )
    library.vocabularies.add(path)
    words = {word: library.tag_of(word) for word in ("Wauwau", "Hund", "doggo", "dog", "toutou")}
    assert words == {"Wauwau": "dog", "Hund": "dog", "doggo": "dog", "dog": "dog", "toutou": "toutou"}
