"""Reading and checking vocabularies."""

from pathlib import Path

import pytest

from opsin import Label, Vocabulary, read_vocabulary
from opsin.errors import SettingError
from opsin.plugin.vocabulary import (
    ancestors,
    check_vocabulary,
    disagreements,
    label_id,
    merge_labels,
    vocabulary_problems,
)

PETS = """
name = "pets"
summary = "What lives in the house."

[labels]
animal = {}
dog = { parents = ["animal"], synonyms = ["hound"], names = { de = "Hund", pt-BR = "cachorro" } }
mouse = { prompts = ["a photo of a mouse, a small animal"], negatives = ["a computer mouse"], threshold = { starter = 2 } }

[labels.nice_weather]
name = "fine weather"
unseen = ["starter"]
group = "scenes"
"""


def test_a_vocabulary_is_read_from_toml_text() -> None:
    pets = read_vocabulary(PETS)
    assert (pets.name, pets.summary) == ("pets", "What lives in the house.")
    assert pets.by_id["dog"] == Label(
        id="dog", parents=("animal",), synonyms=("hound",), names={"de": "Hund", "pt-BR": "cachorro"}
    )
    assert pets.by_id["mouse"].threshold == {"starter": 2.0}
    assert pets.by_id["nice_weather"].text == "fine weather"


def test_a_vocabulary_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pets.toml"
    path.write_text(PETS, "utf-8")
    assert read_vocabulary(path) == read_vocabulary(PETS)


def test_the_mark_that_some_editors_write_before_a_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_text('\ufeffname = "marked"\n[labels]\ndog = {}\n', "utf-8")
    assert read_vocabulary(path).name == "marked"
    assert vocabulary_problems(path) == []


def test_the_same_text_is_read_once_and_a_broken_one_is_refused_each_time() -> None:
    assert read_vocabulary(PETS) is read_vocabulary(PETS)
    for _ in range(2):
        with pytest.raises(SettingError, match="not lower_snake_case"):
            read_vocabulary("name = 'No Name'")


def test_the_revision_changes_with_the_content_only() -> None:
    assert read_vocabulary(PETS).revision == read_vocabulary("# a remark\n" + PETS).revision
    assert read_vocabulary(PETS).revision != read_vocabulary(PETS.replace("hound", "pooch")).revision


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ("dog = {", "line"),
        ("dog = 3", "line 4: label 'dog'"),
        ('dog = { id = "cat" }', "line 4: label 'dog': has to be a table without an id"),
        ("dog = { promts = [] }", "line 4: labels.dog.promts: there is no such key"),
        (
            'dog = { prompts = "a dog" }',
            'line 4: labels.dog.prompts: has to be a list, not a text, e.g. prompts = ["a photo of a dog"]',
        ),
        ("dog = {}\ndog = {}", "line 5"),
        ("Dog = {}", "line 4: label 'Dog': an id is lower_snake_case"),
        ('"hot dog" = {}', "line 4: label 'hot dog': an id is lower_snake_case"),
        ('dog = { parents = ["beast"] }', "line 4: label 'dog': its parent 'beast' is not a label"),
        ('dog = { parents = ["dog"] }', "line 4: label 'dog': it is its own ancestor"),
        (
            'dog = {}\ncat = { synonyms = ["Dog"] }',
            "line 5: label 'cat': the synonym 'Dog' already means the label 'dog'",
        ),
        (
            'dog = { synonyms = ["pet"] }\ncat = { synonyms = ["pet"] }',
            "the synonym 'pet' already means the label 'dog'",
        ),
        ('dog = {}\ncat = { name = "dog" }', "the name 'dog' already means the label 'dog'"),
        ('dog = { names = { german = "Hund" } }', "'german' is not a language code"),
        ('dog = { names = { de = " " } }', "hold no empty text"),
        ('dog = { prompts = [""] }', "hold no empty text"),
        ("dog = { threshold = { starter = nan } }", "the threshold for 'starter' is not a finite number"),
        (
            "dog = { threshold = { starter = 1e308 } }",
            "the threshold for 'starter' is not a finite number from -1,000,000",
        ),
        (
            'dog = { prompts = ["' + "a" * 501 + '"] }',
            "line 4: label 'dog': a text of a label has at most 500 characters",
        ),
        ('dog = { name = "' + "a" * 501 + '" }', "line 4: label 'dog': a text of a label has at most 500 characters"),
        ("dog = { synonyms = [" + '"a", ' * 201 + "] }", "hold at most 200 texts each"),
        ('dog = { name = "a\\u0000b" }', "hold no control characters"),
        ('dog = { synonyms = ["a\\nb"] }', "hold no control characters"),
        ('dog = { names = { de = "a\\u202eb" } }', "marks that turn the writing around"),
        ("dog = { threshold = { starter = true } }", "line 4: labels.dog.threshold: has to be a number"),
        ("dog = { threshold = 3 }", "a table, not a whole number, e.g. threshold = { default = 3.0 }"),
        ('dog = { threshold = { starter = 1 }, unseen = ["starter"] }', "it stands in unseen too"),
    ],
)
def test_a_broken_vocabulary_is_an_error_that_names_the_file_and_the_label(
    broken: str, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(f'name = "broken"\n\n[labels]\n{broken}\n', "utf-8")
    with pytest.raises(SettingError) as caught:
        read_vocabulary(path)
    assert str(path) in str(caught.value)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[labels]", 'my.toml, line 1: the vocabulary has no name: begin with one, e.g. name = "my_labels"'),
        ('name = "My Words"', "my.toml, line 1: the vocabulary's name 'My Words' is not lower_snake_case"),
        ('name = "a"\nlabels = []', 'my.toml, line 2: "labels" has to be a table'),
        ('name = "a"\nlanguage = "en"', "my.toml, line 2: language: there is no such key"),
    ],
)
def test_a_broken_head_is_an_error(text: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        read_vocabulary(text, origin="my.toml")


def test_a_missing_or_binary_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("binary.toml", "missing.toml"):
        with pytest.raises(SettingError, match=name):
            read_vocabulary(tmp_path / name)


def test_many_problems_are_told_at_once_but_not_all() -> None:
    labels = "\n".join(f"L{number} = {{}}" for number in range(9))
    with pytest.raises(SettingError, match="and 4 more problems"):
        read_vocabulary(f'name = "a"\n[labels]\n{labels}')


def test_a_longer_circle_of_parents_is_found() -> None:
    circle = Vocabulary(
        name="circle",
        labels=tuple(Label(id=a, parents=(b,)) for a, b in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))),
    )
    assert [problem.label for problem in check_vocabulary(circle)] == ["a", "b", "c"]


def test_an_id_used_twice_is_found_in_a_vocabulary_made_in_python() -> None:
    twice = Vocabulary(name="twice", labels=(Label(id="dog"), Label(id="dog")))
    assert [str(problem) for problem in check_vocabulary(twice)] == ["label 'dog': this id is used twice"]


def test_ancestors_are_given_nearest_first_and_once() -> None:
    labels = {
        "beagle": Label(id="beagle", parents=("hound", "pet")),
        "hound": Label(id="hound", parents=("dog",)),
        "pet": Label(id="pet", parents=("animal",)),
        "dog": Label(id="dog", parents=("animal", "pet")),
        "animal": Label(id="animal"),
    }
    assert ancestors("beagle", labels) == ["hound", "pet", "dog", "animal"]
    assert ancestors("unknown", labels) == []


def test_names_are_compared_without_case_and_punctuation() -> None:
    assert label_id(" Hot-Dog ") == label_id("hot dog") == label_id("HOT_DOG") == "hot_dog"


def test_labels_of_one_id_in_two_vocabularies_become_one() -> None:
    mine = Vocabulary(name="mine", labels=(Label(id="dog", parents=("pet",), names={"de": "Hund"}), Label(id="pet")))
    theirs = Vocabulary(
        name="theirs",
        labels=(Label(id="dog", name="hound", parents=("animal", "pet"), synonyms=("pooch",), names={"de": "Köter"}),),
    )
    merged = merge_labels([mine, theirs])
    assert list(merged) == ["dog", "pet"]
    assert merged["dog"] == Label(id="dog", parents=("pet", "animal"), synonyms=("pooch",), names={"de": "Hund"})


def test_words_that_two_vocabularies_take_for_different_labels_are_told() -> None:
    mine = Vocabulary(
        name="mine",
        labels=(Label(id="dog", synonyms=("hound", "pal"), names={"de": "Hund", "fr": "mode"}), Label(id="pug")),
    )
    theirs = Vocabulary(
        name="theirs",
        labels=(
            Label(id="hound", names={"de": "Hund"}),
            Label(id="friend", synonyms=("Pal",), names={"es": "mode"}),
            Label(id="pug", name="dog"),
        ),
    )
    assert disagreements([mine, theirs]) == [
        "'hound' means 'hound' in theirs and 'dog' in mine: 'hound' counts",
        "'Hund' (de) means 'dog' in mine and 'hound' in theirs: 'dog' counts",
        "'Pal' means 'dog' in mine and 'friend' in theirs: 'dog' counts",
        "'dog' means 'dog' in mine and 'pug' in theirs: 'dog' counts",
    ]
    assert disagreements([mine, mine]) == []
