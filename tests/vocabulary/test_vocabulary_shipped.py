"""The vocabularies that ship with Opsin."""

from collections import Counter

import pytest

from opsin import Vocabulary
from opsin.plugin.vocabulary import ancestors, check_vocabulary, merge_labels
from opsin_zero_shot.vocabularies import shipped


@pytest.fixture(scope="module")
def everyday() -> Vocabulary:
    return next(vocabulary for vocabulary in shipped() if vocabulary.name == "everyday")


def test_every_shipped_vocabulary_checks_clean() -> None:
    for vocabulary in shipped():
        assert check_vocabulary(vocabulary) == []


def test_everyday_has_at_least_400_labels_and_no_two_of_one_name(everyday: Vocabulary) -> None:
    assert len(everyday.labels) >= 400
    assert not [name for name, count in Counter(label.text for label in everyday.labels).items() if count > 1]


def test_everyday_holds_the_tags_that_others_promise(everyday: Vocabulary) -> None:
    assert {"dance", "blonde", "model", "night_club", "hair"} <= set(everyday.by_id)


def test_everyday_covers_people_animals_food_places_things_events_and_styles(everyday: Vocabulary) -> None:
    sizes = Counter(label.group for label in everyday.labels)
    wanted = {"people", "animals", "food", "nature", "places", "objects", "sports", "events", "styles"}
    assert wanted <= set(sizes)
    assert min(sizes.values()) >= 10


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_everyday_has_names_in_other_languages(everyday: Vocabulary, language: str) -> None:
    names = [label.names[language] for label in everyday.labels if language in label.names]
    assert len(names) >= 0.95 * len(everyday.labels)
    assert not [name for name, count in Counter(names).items() if count > 1]


def test_what_object_classes_cannot_show_is_marked_as_unseen_by_the_starter(everyday: Vocabulary) -> None:
    unseen = {label.id for label in everyday.labels if "starter" in label.unseen}
    assert {"blonde", "hair", "model", "dance", "night_club", "violence", "nudity", "smile", "abstract"} <= unseen
    assert not unseen & {"dog", "pizza", "car", "guitar", "church", "laptop", "coffee"}
    assert len(everyday.labels) - len(unseen) >= 300


def test_ambiguous_words_are_two_labels_that_know_of_each_other(everyday: Vocabulary) -> None:
    assert any("computer mouse" in text for text in everyday.by_id["mouse"].negatives)
    assert everyday.by_id["computer_mouse"].negatives


def test_every_label_that_the_starter_sees_has_a_measured_threshold(everyday: Vocabulary) -> None:
    for label in everyday.labels:
        assert ("starter" in label.threshold) != ("starter" in label.unseen), label.id


def test_labels_that_two_built_in_vocabularies_share_imply_each_other_nowhere(everyday: Vocabulary) -> None:
    from opsin_objects import Config
    from opsin_objects.categorizer import Objects

    merged = merge_labels([everyday, Objects(Config()).vocabulary])
    assert not [name for name in merged for up in ancestors(name, merged) if name in ancestors(up, merged)]
