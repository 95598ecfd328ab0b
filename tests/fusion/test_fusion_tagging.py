"""From fused scores to tags, and the last word of people."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from opsin import Label, Tag
from opsin.fusion import Fused, Source, implying, standing, synonyms_of, tags
from opsin.settings import TagSettings

LABELS = {
    label.id: label
    for label in (
        Label(id="golden_retriever", parents=("dog",)),
        Label(id="dog", parents=("animal",), synonyms=("Hound", "domestic dog")),
        Label(id="cat", parents=("animal",)),
        Label(id="animal"),
        Label(id="car", synonyms=("automobile",)),
    )
}
PLAIN = TagSettings()
IDS = st.sampled_from([*LABELS, "red"])


def fused(**scores: float) -> list[Fused]:
    return [
        Fused(label=label, score=score, sources=(Source(categorizer="a", score=score, weight=1.0),))
        for label, score in scores.items()
    ]


def scores_of(found: list[Tag]) -> dict[str, float]:
    return {tag.label: tag.score for tag in found}


def test_a_score_at_the_threshold_is_no_tag_and_one_above_it_is() -> None:
    found = fused(car=0.5, cat=0.5000001)
    assert scores_of(tags(found, {}, PLAIN)) == {"cat": 0.5000001}


def test_the_threshold_of_the_call_beats_the_label_s_which_beats_the_default() -> None:
    found = fused(car=0.6, cat=0.6)
    settings = TagSettings(threshold=0.5, labels={"car": 0.7})
    assert list(scores_of(tags(found, {}, settings))) == ["cat"]
    assert list(scores_of(tags(found, {}, settings, 0.55))) == ["car", "cat"]
    assert tags(found, {}, settings, 0.65) == []


def test_a_threshold_of_zero_in_the_call_is_a_threshold() -> None:
    assert list(scores_of(tags(fused(car=0.01, cat=0.0), {}, PLAIN, 0.0))) == ["car"]


def test_parents_are_implied_all_the_way_up() -> None:
    found = tags(fused(golden_retriever=0.9), LABELS, PLAIN)
    assert [(tag.label, tag.score, tag.implied, tag.sources) for tag in found] == [
        ("animal", 0.9, True, ()),
        ("dog", 0.9, True, ()),
        ("golden_retriever", 0.9, False, ("a",)),
    ]


def test_an_implied_tag_scores_the_best_of_its_children() -> None:
    found = tags(fused(dog=0.7, cat=0.8, animal=0.55), LABELS, PLAIN)
    assert scores_of(found) == {"animal": 0.8, "cat": 0.8, "dog": 0.7}
    assert not found[0].implied


def test_a_child_below_the_threshold_implies_nothing() -> None:
    assert tags(fused(golden_retriever=0.4), LABELS, PLAIN) == []


def test_a_parent_with_its_own_threshold_keeps_to_it() -> None:
    found = tags(fused(golden_retriever=0.9), LABELS, TagSettings(labels={"dog": 0.95}))
    assert list(scores_of(found)) == ["animal", "golden_retriever"]


def test_synonyms_become_their_label() -> None:
    found = tags(fused(automobile=0.9, car=0.6, hound=0.8), LABELS, PLAIN)
    assert scores_of(found) == {"animal": 0.8, "car": 0.9, "dog": 0.8}


def test_an_id_is_never_taken_for_a_synonym() -> None:
    labels = [Label(id="laptop", synonyms=("notebook",)), Label(id="notebook")]
    assert synonyms_of(labels) == {}
    assert synonyms_of(labels[:1]) == {"notebook": "laptop"}


@settings(deadline=None)
@given(st.dictionaries(IDS, st.floats(0, 1)), st.floats(0, 1))
def test_tags_are_sorted_unique_above_the_threshold_and_closed_under_parents(
    scores: dict[str, float], threshold: float
) -> None:
    found = tags(fused(**scores), LABELS, PLAIN, threshold)
    names = [tag.label for tag in found]
    assert names == sorted(set(names))
    assert all(tag.score > threshold for tag in found)
    assert all(parent in names for name in names if name in LABELS for parent in LABELS[name].parents)


def said(*, added: Iterable[str] = (), removed: Iterable[str] = ()) -> dict[str, bool]:
    return dict.fromkeys(added, True) | dict.fromkeys(removed, False)


def test_a_person_s_tag_outlives_what_models_say_later() -> None:
    first = tags(fused(cat=0.9), LABELS, PLAIN, said=said(added=["blonde"]))
    later = tags(fused(car=0.9), LABELS, PLAIN, said=said(added=["blonde"]))
    assert [(tag.label, tag.by) for tag in first] == [("animal", "model"), ("blonde", "person"), ("cat", "model")]
    assert [(tag.label, tag.by) for tag in later] == [("blonde", "person"), ("car", "model")]


def test_a_person_s_tag_replaces_the_model_s() -> None:
    found = tags(fused(car=0.9), LABELS, PLAIN, said=said(added=["car"]))
    assert found == [Tag(label="car", score=1.0, by="person")]


def test_a_person_s_tag_implies_its_parents_which_are_the_person_s_too() -> None:
    found = tags(fused(dog=0.7), LABELS, PLAIN, said=said(added=["golden_retriever"]))
    assert found == [
        Tag(label="animal", score=1.0, by="person", implied=True),
        Tag(label="dog", score=1.0, by="person", sources=("a",), implied=True),
        Tag(label="golden_retriever", score=1.0, by="person"),
    ]


def test_what_a_person_s_tag_implies_keeps_to_its_threshold_too() -> None:
    never = TagSettings(labels={"animal": 1.0})
    assert list(scores_of(tags([], LABELS, never, said=said(added=["cat"])))) == ["cat"]


def test_a_person_s_removal_is_final_for_implied_tags_too() -> None:
    found = fused(golden_retriever=0.9)
    assert list(scores_of(tags(found, LABELS, PLAIN, said=said(removed=["dog"])))) == ["animal", "golden_retriever"]
    both = said(added=["golden_retriever"], removed=["animal"])
    assert list(scores_of(tags([], LABELS, PLAIN, said=both))) == ["dog", "golden_retriever"]


def test_a_label_that_a_person_removed_implies_nothing() -> None:
    gone = said(removed=["golden_retriever"])
    assert tags(fused(golden_retriever=0.9), LABELS, PLAIN, said=gone) == []
    with_cat = tags(fused(golden_retriever=0.9, cat=0.8), LABELS, PLAIN, said=gone)
    assert scores_of(with_cat) == {"animal": 0.8, "cat": 0.8}
    hesitant = tags(fused(golden_retriever=0.9, dog=0.6, animal=0.55), LABELS, PLAIN, said=gone)
    assert scores_of(hesitant) == {"animal": 0.6, "dog": 0.6}


def test_what_implies_a_tag_is_named_with_its_own_score_best_first() -> None:
    stand = standing(fused(golden_retriever=0.9, dog=0.6, cat=0.95, car=0.99), LABELS, PLAIN)
    assert [(each.label, each.score) for each in implying("animal", stand, LABELS)] == [
        ("cat", 0.95),
        ("golden_retriever", 0.9),
        ("dog", 0.6),
    ]
    assert implying("car", stand, LABELS) == []


@settings(deadline=None)
@given(st.dictionaries(IDS, st.floats(0, 1)), st.dictionaries(IDS, st.booleans()), st.floats(0, 1))
def test_people_always_have_the_last_word(scores: dict[str, float], words: dict[str, bool], threshold: float) -> None:
    found = tags(fused(**scores), LABELS, PLAIN, threshold, words)
    names = [tag.label for tag in found]
    added = {label for label, present in words.items() if present}
    assert names == sorted(set(names))
    assert not {label for label, present in words.items() if not present} & set(names)
    assert {tag.label for tag in found if tag.by == "person" and not tag.implied} == added
    stand = standing(fused(**scores), LABELS, PLAIN, threshold, words)
    for tag in found:
        above = [each.score for each in implying(tag.label, stand, LABELS)]
        own = [stand[tag.label].score] if tag.label in stand else []
        assert tag.score == max(own + above)
