"""What the objects plugin makes of class probabilities, and what its vocabulary holds."""

from __future__ import annotations

import math
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opsin import Categorizer, Item, Label, Matches
from opsin.errors import SettingError
from opsin.testing import CategorizerContract
from opsin_objects import Config, opsin_categorizers
from opsin_objects.categorizer import CLASSES, FAINT, Objects, score
from opsin_starter import StarterConfig, opsin_encoder

CRANE_BIRD, CRANE_MACHINE = 134, 517  # places in ImageNet
# Names of ours that share no word with WordNet's; each was compared with the pictures' definition.
RENAMED = {
    "rooster", "dobermann", "bullmastiff", "leonberger", "clownfish", "bookshelf", "bottle_cap", "slow_cooker",
    "hoop_skirt", "jeans", "one_piece_swimsuit", "pacifier", "pajamas", "pan_flute", "sneaker", "toy_store", "sink",
    "shipwreck", "green_apple", "pot_pie", "alpine_peak", "beach",
}  # fmt: skip


def classes(**probabilities: float) -> NDArray[np.float16]:
    """Return the feature for class numbers given as ``c207=0.5``, as it is stored."""
    pairs = [(int(name[1:]), math.log(probability)) for name, probability in probabilities.items()]
    return np.array(pairs, np.float16)


def random_classes(seed: int, count: int = 64) -> NDArray[np.float16]:
    source = np.random.default_rng(seed)
    numbers = source.choice(CLASSES, count, replace=False)
    shares = np.sort(source.dirichlet(np.full(count, 0.2)))[::-1]
    return np.stack([numbers, np.log(np.maximum(shares, 1e-9))], 1).astype(np.float16)


class TestObjectsContract(CategorizerContract):
    categorizer = staticmethod(lambda: Objects(Config()))

    def items(self, categorizer: Categorizer) -> list[Item]:
        return [Item({"classes": random_classes(seed)}) for seed in range(8)]


@pytest.fixture(scope="module")
def objects() -> Objects:
    return Objects(Config())


def judge(objects: Objects, feature: NDArray[np.float16]) -> dict[str, float]:
    answer = objects.categorize([Item({"classes": feature})])[0]
    assert isinstance(answer, Matches)
    return {match.label: match.score for match in answer.matches}


def test_a_golden_retriever_is_a_dog_and_an_animal(objects: Objects) -> None:
    found = judge(objects, classes(c207=0.9))
    assert {"golden_retriever", "retriever", "dog", "animal"} <= found.keys()
    assert min(found.values()) > 0.9


def test_two_breeds_that_are_each_unsure_make_a_sure_dog(objects: Objects) -> None:
    found = judge(objects, classes(c207=0.25, c151=0.25, c235=0.25))
    assert found["golden_retriever"] < 0.5 < found["dog"]


def test_a_kind_is_never_scored_below_what_implies_it(objects: Objects) -> None:
    everything = Objects(Config(most=5000))
    parents = {label.id: label.parents for label in objects.vocabulary.labels}
    for seed in range(20):
        found = judge(everything, random_classes(seed))
        for label, value in found.items():
            scored = [parent for parent in parents[label] if parent not in everything.declines]
            assert all(found[parent] >= value - 1e-9 for parent in scored)


def test_a_bridegroom_says_nothing_of_people_in_general_but_implies_one(objects: Objects) -> None:
    found = judge(objects, classes(c982=0.9))
    assert found["groom"] > 0.9
    assert "person" not in found
    assert "person" in objects.declines
    assert objects.vocabulary.by_id["groom"].parents == ("person",)


def test_every_label_of_a_class_is_scored(objects: Objects) -> None:
    assert not objects.declines.keys() & {label.id for label in objects.vocabulary.labels[:CLASSES]}


def test_the_score_is_one_half_at_the_threshold_and_rises_with_the_probability() -> None:
    values = score(np.linspace(0, 1, 101), np.full(101, 0.3))
    assert values[30] == pytest.approx(0.5)
    assert all(later > earlier for earlier, later in pairwise(values[1:-1]))
    assert values.min() >= 0
    assert values.max() <= 1


def test_faint_labels_are_left_out_and_only_so_many_are_reported() -> None:
    found = judge(Objects(Config(most=3)), random_classes(4))
    assert len(found) <= 3
    assert len(judge(Objects(Config()), random_classes(4))) <= 32
    assert all(value >= FAINT for value in judge(Objects(Config()), random_classes(5)).values())


def test_a_labels_own_threshold_moves_that_label_only() -> None:
    feature = classes(c207=0.3, c281=0.3)
    strict = judge(Objects(Config(thresholds={"golden_retriever": 0.8})), feature)
    usual = judge(Objects(Config()), feature)
    assert strict["golden_retriever"] < usual["golden_retriever"] == pytest.approx(0.5, abs=0.01)
    assert strict["tabby_cat"] == usual["tabby_cat"]


def test_a_threshold_for_an_unknown_label_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match="unicorn"):
        Objects(Config(thresholds={"unicorn": 0.5}))


def test_settings_are_part_of_the_revision(objects: Objects) -> None:
    assert Objects(Config(threshold=0.4)).revision != objects.revision
    assert objects.vocabulary.revision in objects.revision


def test_explain_gives_enough_to_compute_the_score_again(objects: Objects) -> None:
    feature = classes(c207=0.25, c208=0.2, c281=0.1)
    explained = objects.explain(Item({"classes": feature}), Label(id="dog"))
    assert explained["classes"].keys() == {"golden_retriever", "labrador_retriever"}
    probability, threshold = sum(explained["classes"].values()), explained["threshold"]
    odds = probability / (1 - probability) * (1 - threshold) / threshold
    assert judge(objects, feature)["dog"] == pytest.approx(odds / (1 + odds))


def test_explain_of_an_absent_label_has_no_classes(objects: Objects) -> None:
    explained = objects.explain(Item({"classes": classes(c207=0.9)}), Label(id="pizza"))
    assert (explained["probability"], explained["classes"]) == (0, {})


def test_things_of_one_name_are_told_apart(objects: Objects) -> None:
    labels = objects.vocabulary.labels
    assert (labels[CRANE_BIRD].text, labels[CRANE_MACHINE].text) == ("crane (bird)", "crane (machine)")
    assert labels[CRANE_BIRD].parents != labels[CRANE_MACHINE].parents


def test_every_class_but_the_bubble_belongs_to_a_kind(objects: Objects) -> None:
    assert [label.id for label in objects.vocabulary.labels[:CLASSES] if not label.parents] == ["bubble"]


def test_every_kind_is_implied_by_some_class(objects: Objects) -> None:
    implied = {place for places in objects._implied for place in places}
    assert implied == set(range(len(objects.vocabulary.labels)))


def test_the_first_thousand_labels_are_the_classes_in_imagenets_order(objects: Objects) -> None:
    spec = find_spec("timm")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data" / "_info"
    rows = (folder / "imagenet_synset_to_lemma.txt").read_text("utf-8").splitlines()
    lemmas = dict(row.split("\t", 1) for row in rows if row)
    synsets = (folder / "imagenet_synsets.txt").read_text("utf-8").split()
    assert len(synsets) == CLASSES
    strange = {
        label.id
        for label, synset in zip(objects.vocabulary.labels, synsets, strict=False)
        if not words(label.id.replace("_", " ")) & words(lemmas[synset])
    }
    assert strange == RENAMED


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def test_the_plugin_declares_its_categorizer() -> None:
    declared = opsin_categorizers(Config())[0]
    assert (declared.id, declared.family, declared.needs) == ("objects", "embedding", frozenset({"classes"}))


def test_the_starter_yields_the_feature_that_it_needs(objects: Objects) -> None:
    encoder = opsin_encoder("starter", StarterConfig())
    assert encoder is not None
    shapes = {feature.name: feature.shape for feature in encoder.features}
    assert set(objects.needs if isinstance(objects.needs, frozenset) else ()) <= shapes.keys()
    assert shapes["classes"][1:] == (2,)
