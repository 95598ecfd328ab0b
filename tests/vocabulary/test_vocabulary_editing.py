"""Changing the vocabularies of a library."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin import Label, Vocabulary, read_vocabulary
from opsin.errors import SettingError, Taken, UnknownName
from opsin.plugin.vocabulary import HIDDEN
from opsin.services.base import vocabulary as service
from opsin.services.base.vocabulary_text import render_vocabulary, with_changes, with_label, without_label
from opsin_zero_shot.vocabularies import shipped as shipped_files

PETS = """\
# our pets
name = "pets"

[labels]
animal = {}
# the best ones
dog = { parents = ["animal"], synonyms = ["hound"] } # a remark
cat = { parents = ["animal"] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "vocabularies"
    folder.mkdir()
    (folder / "pets.toml").write_text(PETS, "utf-8")
    return folder


def text_of(folder: Path) -> str:
    return (folder / "pets.toml").read_text("utf-8")


def test_every_vocabulary_of_a_folder_is_loaded_in_order_of_name(folder: Path) -> None:
    (folder / "a_file.toml").write_text('name = "zoo"\n', "utf-8")
    assert [vocabulary.name for vocabulary in service.load_all(folder)] == ["pets", "zoo"]
    assert service.load_all(folder / "missing") == []


def test_two_files_of_one_name_are_an_error_that_names_both(folder: Path) -> None:
    (folder / "second.toml").write_text(PETS, "utf-8")
    with pytest.raises(SettingError, match=r"second\.toml and .*pets\.toml are both called 'pets'"):
        service.load_all(folder)
    assert len(service.check(folder)) == 1


def test_a_label_that_is_added_leaves_everything_else_as_it_was(folder: Path) -> None:
    label = Label(
        id="parrot", parents=("animal",), threshold={"starter": 2.5}, names={"de": "Papagei", "pt-BR": "papagaio"}
    )
    changed = service.add_label(folder, "pets", label)
    assert changed.by_id["parrot"] == label
    assert text_of(folder) == PETS + (
        'parrot = { parents = ["animal"], threshold = { starter = 2.5 }, names = { de = "Papagei", pt-BR = "papagaio" } }\n'
    )


def test_an_edit_keeps_the_comments(folder: Path) -> None:
    changed = service.edit_label(folder, "pets", "dog", {"prompts": ("a photo of a dog",), "synonyms": None})
    assert changed.by_id["dog"] == Label(id="dog", parents=("animal",), prompts=("a photo of a dog",))
    assert text_of(folder) == PETS.replace('synonyms = ["hound"]', 'prompts = ["a photo of a dog"]')


def test_a_label_with_a_table_of_its_own_is_edited_in_place() -> None:
    text = 'name = "pets"\n\n[labels.dog]\n# said by the vet\nsynonyms = ["hound"]\n\n[labels.cat]\n'
    changed = with_changes(text, {"dog": {"name": "good dog"}})
    assert "# said by the vet" in changed
    assert read_vocabulary(changed).by_id["dog"] == Label(id="dog", name="good dog", synonyms=("hound",))
    assert set(read_vocabulary(with_label(text, Label(id="bird", group="x"))).by_id) == {"dog", "cat", "bird"}
    assert set(read_vocabulary(without_label(text, "dog")).by_id) == {"cat"}


def test_a_label_is_added_to_a_vocabulary_without_any() -> None:
    assert set(read_vocabulary(with_label('name = "new"\n', Label(id="dog"))).by_id) == {"dog"}


def test_a_label_is_removed(folder: Path) -> None:
    assert set(service.remove_label(folder, "pets", "dog").by_id) == {"animal", "cat"}
    assert "dog" not in text_of(folder)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (lambda f: service.remove_label(f, "pets", "animal"), SettingError, "its parent 'animal' is not a label"),
        (lambda f: service.add_label(f, "pets", Label(id="dog")), SettingError, "'dog' is there already"),
        (lambda f: service.add_label(f, "pets", Label(id="Big Dog")), SettingError, "lower_snake_case"),
        (lambda f: service.edit_label(f, "pets", "dog", {"parents": ("dog",)}), SettingError, "its own ancestor"),
        (lambda f: service.edit_label(f, "pets", "dog", {"prompts": 3}), SettingError, "has to be a list"),
        (lambda f: service.edit_label(f, "pets", "dog", {"promts": ()}), UnknownName, "a label has no 'promts'"),
        (lambda f: service.edit_label(f, "pets", "wolf", {}), UnknownName, "no label 'wolf'"),
        (lambda f: service.remove_label(f, "pets", "wolf"), UnknownName, "no label 'wolf'"),
        (lambda f: service.show(f, "birds"), UnknownName, "no vocabulary 'birds'; it has pets"),
        (lambda f: service.add(f, f / "pets.toml"), Taken, "has a vocabulary 'pets' already"),
        (lambda f: service.add(f, "missing.toml"), UnknownName, "there is no file"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    folder: Path, change: Callable[[Path], object], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        change(folder)
    assert text_of(folder) == PETS
    assert [path.name for path in folder.iterdir()] == ["pets.toml"]


def test_a_file_is_added_as_it_is_and_removed_again(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('# mine\nname = "birds"\n[labels]\nowl = {}\n', "utf-8")
    assert service.add(folder, mine).name == "birds"
    assert (folder / "birds.toml").read_bytes() == mine.read_bytes()
    service.remove(folder, "birds")
    assert [vocabulary.name for vocabulary in service.load_all(folder)] == ["pets"]


def test_a_broken_file_is_not_added(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('name = "broken"\n[labels]\nowl = { parents = ["bird"] }\n', "utf-8")
    with pytest.raises(SettingError, match=r"broken\.toml, line 3: label 'owl'"):
        service.add(folder, broken)
    assert [path.name for path in folder.iterdir()] == ["pets.toml"]


def test_checking_tells_everything_that_is_wrong(folder: Path) -> None:
    assert service.check(folder) == []
    (folder / "broken.toml").write_text('name = "broken"\n[labels]\nowl = { parents = ["a"] }\nB = {}\n', "utf-8")
    (folder / "torn.toml").write_text("name = ", "utf-8")
    problems = service.check(folder)
    assert len(problems) == 3
    assert "broken.toml, line 4: label 'B': an id is lower_snake_case" in problems[0]
    assert "broken.toml, line 3: label 'owl': its parent 'a' is not a label" in problems[1]
    assert "torn.toml, line 1: this is not valid TOML" in problems[2]


def test_a_broken_file_can_still_be_removed(folder: Path) -> None:
    (folder / "torn.toml").write_text("name = ", "utf-8")
    service.remove(folder, "torn")
    assert len(service.load_all(folder)) == 1


def test_a_shipped_vocabulary_survives_being_written_as_toml() -> None:
    for vocabulary in shipped_files():
        assert read_vocabulary(render_vocabulary(vocabulary)) == vocabulary


WORDS = st.text(min_size=1).filter(lambda text: text.strip() != "")
NAMES = WORDS.filter(lambda text: HIDDEN.search(text) is None)


@settings(deadline=None)
@given(NAMES, st.lists(WORDS, max_size=3), st.floats(-1e6, 1e6), NAMES)
def test_any_text_survives_being_written_as_toml(name: str, prompts: list[str], threshold: float, german: str) -> None:
    label = Label(id="a", name=name, prompts=tuple(prompts), threshold={"default": threshold}, names={"de": german})
    written = render_vocabulary(Vocabulary(name="v", labels=(label,)))
    assert read_vocabulary(written).labels == (label,)
    added = with_changes('name = "v"\n[labels]\na = {}\n', {"a": {"name": name, "prompts": prompts}})
    assert read_vocabulary(added).labels[0].prompts == tuple(prompts)


def test_a_shipped_vocabulary_is_added_by_name(folder: Path) -> None:
    added = service.add(folder, "everyday")
    assert added == service.shipped()["everyday"] == service.show(folder, "everyday")
    with pytest.raises(UnknownName, match=r"no vocabulary 'everyday_things'; there are .*everyday"):
        service.add(folder, "everyday_things")
