"""An explanation is enough to compute a tag's score again: from similarities to the categorizer's, the fused, the implied."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import skimage

import opsin
from opsin.errors import UnknownName

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg")
MEASURED = ("laplacian_variance", "highlights", "burnt_out_share", "shorter_side", "contrast", "share", "chroma")
"""What `quality` and `colors` measure; the score follows from it and the threshold."""
VOCABULARY = """\
name = "shades"

[labels]
crimson = { prompts = ["red"], parents = ["warm"], threshold = { default = 3.0 } }
navy = { prompts = ["blue"], parents = ["cold"], threshold = { default = 3.0 } }
warm = { prompts = ["orange"], parents = ["shade"], threshold = { default = 2.0 } }
cold = { prompts = ["an icicle"], parents = ["shade"], threshold = { default = 50.0 } }
shade = { prompts = ["a parasol"], threshold = { default = 50.0 } }
"""


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def logit(value: float) -> float:
    return math.log(value / (1 - value))


def standardised(part: Mapping[str, Any]) -> float:
    return float((part["similarity"] - part["zero"]) / part["background_spread"])


def categorizers_score(name: str, label: str, told: Mapping[str, Any]) -> float:
    """Compute the score of one categorizer from the details that it gives, as its page in docs/ says."""
    if name.startswith("zero_shot/"):
        own = standardised(told["prompts"])
        margin = own - max([0.0, *(standardised(each) - own for each in told["negatives"])])
        return logistic(told["slope"] * (margin - told["threshold"]))
    if name == "objects":
        probability = min(max(math.fsum(told["classes"].values()), 1e-6), 1 - 1e-6)
        return logistic(logit(probability) - logit(told["threshold"]))
    if name == "fake":
        return logistic(told["slope"] * (told["cosine"] - told["middle"]))
    measured = next(told[key] for key in MEASURED if key in told)
    less_is_more = label in {"blurred", "underexposed", "low_resolution", "blank", "black_and_white"}
    more, less = (told["threshold"], measured) if less_is_more else (measured, told["threshold"])
    return float(more**2 / (more**2 + less**2) * (1 - told.get("blank", 0.0)))


def recomputed(told: Mapping[str, Any]) -> float:
    """Compute the score of a label from its explanation alone, from the similarities upwards."""
    candidates = [1.0] if told["person"] == "added" else [each["score"] for each in told["implied_by"]]
    total = 0.0
    for each in told["evidence"]:
        score = each["score"]
        if not each["silent"]:
            assert categorizers_score(each["categorizer"], told["label"], each["details"]) == pytest.approx(
                score, abs=2e-3
            ), (told["label"], each)
        total += each["weight"] * logit(min(max(score, 0.001), 0.999))
    if told["evidence"]:
        assert math.fsum(each["weight"] for each in told["evidence"]) == pytest.approx(1)
        assert logistic(total) == pytest.approx(told["own_score"])
        candidates.append(logistic(total))
    else:
        assert told["own_score"] is None
    return max(candidates)


def explained(library: opsin.Library, asset: str, label: str) -> dict[str, Any]:
    """Return an explanation as ``opsin explain --json`` gives it."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(library.explain(asset, label)))
    return plain


def check_every_tag(library: opsin.Library) -> set[tuple[str, str]]:
    """Compute each tag of each asset again, also by what implies it, and return those that are implied."""
    implied = set()
    for asset in library.list():
        shown = {tag.label: tag for tag in asset.tags}
        for label, tag in shown.items():
            told = explained(library, asset.id, label)
            assert told["tagged"]
            assert told["score"] == tag.score
            for each in told["evidence"]:
                assert each["plugin"] == each["categorizer"].partition("/")[0]
                assert re.fullmatch(r"\w+ [0-9a-f]{12}", each["vocabulary"])
            assert recomputed(told) == pytest.approx(tag.score), (asset.name, label)
            for each in told["implied_by"]:
                below = explained(library, asset.id, each["label"])
                assert each["label"] in shown
                assert each["score"] == (1 if below["person"] == "added" else below["own_score"])
            if told["implied_by"]:
                implied.add((asset.name, label))
    return implied


@pytest.fixture
def filled(library: opsin.Library, photos: Path) -> opsin.Library:
    library.add(photos)
    return library


@pytest.fixture
def shades(make_library: MakeLibrary, photos: Path, tmp_path: Path) -> opsin.Library:
    """Return a library with a vocabulary in which labels imply others."""
    library = make_library(vocabularies=())
    path = tmp_path / "shades.toml"
    path.write_text(VOCABULARY, "utf-8")
    library.vocabularies.add(path)
    library.add(photos)
    return library


def test_every_tag_can_be_computed_again_from_its_explanation(shades: opsin.Library) -> None:
    assert ("red-square.jpg", "shade") in check_every_tag(shades)


def test_every_tag_can_be_computed_again_after_people_spoke(shades: opsin.Library) -> None:
    shades.tag("red-square.jpg", remove=["crimson"])
    shades.tag("blue-circle.jpg", add=["crimson", "keeper"], remove=["cold"])
    shades.tag("green-circle.jpg", add=["warm"])
    assert ("green-circle.jpg", "shade") in check_every_tag(shades)


def test_every_tag_of_real_photos_can_be_computed_again_from_its_explanation(tmp_path: Path) -> None:
    folder = Path(skimage.__file__).parent / "data"
    with opsin.init(tmp_path / "library", encoder="starter") as library:
        library.add(*(folder / name for name in PHOTOS))
        implied = check_every_tag(library)
    assert {("chelsea.png", "animal"), ("chelsea.png", "cat")} <= implied


def test_an_implied_tag_names_what_implies_it_with_its_own_score(shades: opsin.Library) -> None:
    crimson = shades.explain("red-square.jpg", "crimson")
    shade = shades.explain("red-square.jpg", "shade")
    assert ("crimson", crimson.own_score) in [(each.label, each.score) for each in shade.implied_by]
    assert shade.score == shade.implied_score == max(each.score for each in shade.implied_by)
    assert shade.own_score is None or shade.own_score < shade.score
    assert crimson.implied_by == ()


def test_what_a_person_removed_is_not_named_as_implying_and_lends_no_score(shades: opsin.Library) -> None:
    before = shades.explain("red-square.jpg", "warm")
    shades.tag("red-square.jpg", remove=["crimson"])
    after = shades.explain("red-square.jpg", "warm")
    assert "crimson" in [each.label for each in before.implied_by]
    assert after.implied_by == ()
    assert after.score == before.own_score
    gone = shades.explain("red-square.jpg", "crimson")
    assert (gone.tagged, gone.person) == (False, "removed")
    assert gone.score == gone.own_score


def test_what_a_person_says_is_found_by_what_it_implies(shades: opsin.Library) -> None:
    shades.tag("green-circle.jpg", add=["crimson"])
    for label in ("crimson", "warm", "shade"):
        assert "green-circle.jpg" in [asset.name for asset in shades.list(where=[f"tag={label}"])]
    told = shades.explain("green-circle.jpg", "shade")
    assert [(each.label, each.score, each.by) for each in told.implied_by][:1] == [("crimson", 1.0, "person")]
    assert (told.score, told.person) == (1.0, None)
    shades.tag("green-circle.jpg", remove=["crimson"])
    assert "green-circle.jpg" not in [asset.name for asset in shades.list(where=["tag=crimson"])]


def test_what_a_person_s_tag_implies_is_not_imported_as_a_person_s_word(shades: opsin.Library, tmp_path: Path) -> None:
    shades.tag("green-circle.jpg", add=["crimson"])
    shades.export(tmp_path / "out.jsonl")
    exported = [msgspec.json.decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    (line,) = (each for each in exported if each["name"] == "green-circle.jpg")
    assert [tag["label"] for tag in line["tags"] if tag["by"] == "person"] == ["crimson", "shade", "warm"]
    del line["said"]
    shades.tag("green-circle.jpg", remove=["crimson"])
    shades.import_records([msgspec.json.encode(line)])
    assert next(each for each in shades.records() if each.name == "green-circle.jpg").said == {"crimson": True}


def test_an_explanation_says_what_a_person_decided(filled: opsin.Library) -> None:
    filled.tag("red-square.jpg", remove=["red"])
    found = filled.explain("red-square.jpg", "red")
    assert (found.tagged, found.person) == (False, "removed")


def test_explaining_a_label_that_nobody_knows_is_an_error_with_a_guess(filled: opsin.Library) -> None:
    with pytest.raises(UnknownName, match=r"'purpl'.*purple"):
        filled.explain("red-square.jpg", "purpl")
