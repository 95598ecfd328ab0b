"""`opsin vocabulary`: what is changed is scored at once, from stored features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opsin

VOCABULARY = """\
name = "shapes"
summary = "What the test pictures show"

[labels]
# the only one
red_thing = { prompts = ["red"], threshold = { default = 0.5 } }
"""


def tagged(home: Path, label: str) -> list[str]:
    with opsin.open(home, readonly=True) as library:
        listed = [asset.name for asset in library.list(where=[f"tag={label}"])]
        assert listed == [asset.name for asset in library.list() if label in [tag.label for tag in asset.tags]]
        return listed


@pytest.fixture
def shapes(home: Path, tmp_path: Path, run: Callable[..., Any]) -> Path:
    """Return the file of a vocabulary that the library has taken in."""
    path = tmp_path / "shapes.toml"
    path.write_text(VOCABULARY, "utf-8")
    ran = run("vocabulary", "add", path)
    assert ran.status == 0, ran.err
    assert "6 pictures scored again" in ran.out
    return home / "vocabularies" / "shapes.toml"


def test_an_added_vocabulary_tags_what_is_there_already(home: Path, shapes: Path) -> None:
    assert tagged(home, "red_thing") == ["red-circle.jpg", "red-square.jpg"]


def test_an_edit_scores_the_library_again_and_opens_no_picture(
    home: Path, shapes: Path, photos: Path, run: Callable[..., Any]
) -> None:
    for path in photos.iterdir():
        path.unlink()
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "99", "--json")
    assert ran.status == 0
    assert ran.lines[0]["rescored"] == 6
    assert ran.lines[0]["changed"] == 2
    assert ran.lines[0]["problems"] == 0
    assert tagged(home, "red_thing") == []


@pytest.mark.usefixtures("home", "shapes")
def test_whoever_interrupts_the_scoring_is_told_that_the_vocabulary_is_changed(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(opsin.Library, "reanalyse", interrupted)
        ran = run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "99")
    assert ran.status == 130
    assert "The vocabulary is changed; `opsin reanalyse --stale` scores" in ran.err
    assert "6 pictures" in run("reanalyse", "--stale").out


def test_a_change_that_cannot_be_is_told_with_where_it_would_stand(shapes: Path, run: Callable[..., Any]) -> None:
    ran = run("vocabulary", "edit", "shapes", "grandma", "--parent", "nobody")
    assert ran.status == 2
    assert "shapes.toml as it would be, line " in ran.err


def test_tags_that_come_and_go_are_counted(home: Path, shapes: Path, run: Callable[..., Any]) -> None:
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "99")
    assert "6 pictures scored again from stored features: no tag came and 2 went." in ran.out
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "98")
    assert "6 pictures scored again from stored features: no tag came or went." in ran.out
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "0.5", "--json")
    assert (ran.lines[0]["tags_added"], ran.lines[0]["tags_removed"]) == (2, 0)


def test_a_changed_copy_of_a_shipped_vocabulary_is_told_with_the_way_back(
    home: Path, shapes: Path, run: Callable[..., Any]
) -> None:
    assert "copy" not in run("vocabulary", "edit", "shapes", "red_thing", "--synonym", "scarlet").out
    before = (home / "vocabularies" / "everyday.toml").read_bytes()
    for change in (("edit", "everyday", "dog", "--synonym", "doggy"), ("remove", "everyday", "accordion")):
        ran = run("vocabulary", *change, "--no-rescore")
        assert ran.status == 0, ran.err
        assert "Only this library's copy of everyday is changed" in ran.out
    assert run("vocabulary", "remove", "everyday").status == 0
    assert run("vocabulary", "add", "everyday").status == 0
    assert (home / "vocabularies" / "everyday.toml").read_bytes() == before


def test_an_edit_makes_a_label_that_is_not_there_and_keeps_the_files_comments(
    home: Path, shapes: Path, run: Callable[..., Any]
) -> None:
    ran = run(
        "vocabulary", "edit", "shapes", "Blue Thing", "--prompt", "blue", "--threshold", "0.5", "--name", "de=Blaues"
    )
    assert "Made the label blue_thing" in ran.out
    assert {"blue-circle.jpg", "blue-square.jpg"} <= set(tagged(home, "blue_thing"))
    assert "# the only one" in shapes.read_text("utf-8")
    shown = run("vocabulary", "show", "shapes", "blue_thing", "--json").lines[0]
    assert shown["names"] == {"de": "Blaues"}


def test_what_is_given_is_added_and_cleared_only_when_asked(shapes: Path, run: Callable[..., Any]) -> None:
    run("vocabulary", "edit", "shapes", "red_thing", "--synonym", "crimson", "--no-rescore")
    run("vocabulary", "edit", "shapes", "red_thing", "--synonym", "scarlet", "--threshold", "starter=2", "--no-rescore")
    shown = run("vocabulary", "show", "shapes", "red_thing", "--json").lines[0]
    assert shown["synonyms"] == ["crimson", "scarlet"]
    assert shown["threshold"] == {"default": 0.5, "starter": 2.0}
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "0.5", "--no-rescore")
    assert "thresholds of its own for starter, which count there" in ran.err
    run("vocabulary", "edit", "shapes", "red_thing", "--clear", "synonyms", "--clear", "threshold", "--no-rescore")
    shown = run("vocabulary", "show", "shapes", "red_thing", "--json").lines[0]
    assert "synonyms" not in shown
    assert "threshold" not in shown


def test_without_rescoring_the_tags_stay_until_stale_reports_are_asked_for(
    home: Path, shapes: Path, run: Callable[..., Any]
) -> None:
    run("vocabulary", "edit", "shapes", "red_thing", "--threshold", "99", "--no-rescore")
    assert tagged(home, "red_thing") != []
    assert run("reanalyse", "--stale").status == 0
    assert tagged(home, "red_thing") == []


def test_a_removed_label_is_no_tag_any_more(home: Path, shapes: Path, run: Callable[..., Any]) -> None:
    run("vocabulary", "edit", "shapes", "other", "--prompt", "other")
    assert run("vocabulary", "remove", "shapes", "red_thing").status == 0
    with opsin.open(home, readonly=True) as library:
        assert "red_thing" not in [entry.label for entry in library.tags()]
    assert "knows the label 'red_thing'" in run("list", "-w", "tag=red_thing").err


def test_a_removed_vocabulary_takes_its_reports_and_tags_along(
    home: Path, shapes: Path, run: Callable[..., Any]
) -> None:
    assert run("vocabulary", "remove", "shapes").status == 0
    assert not shapes.exists()
    with opsin.open(home, readonly=True) as library:
        assert "red_thing" not in [entry.label for entry in library.tags()]
    assert [entry["name"] for entry in run("vocabulary", "list", "--json").lines] == ["everyday"]
    assert run("doctor").status == 0


def test_a_person_keeps_a_tag_whose_vocabulary_is_removed(home: Path, shapes: Path, run: Callable[..., Any]) -> None:
    run("label", "red-circle.jpg", "--add", "red_thing")
    run("vocabulary", "remove", "shapes")
    assert tagged(home, "red_thing") == ["red-circle.jpg"]


def test_an_empty_vocabulary_can_be_begun_and_filled(home: Path, run: Callable[..., Any]) -> None:
    assert run("vocabulary", "add", "mine", "--empty").status == 0
    assert run("vocabulary", "edit", "mine", "green", "--threshold", "0.5", "--prompt", "green").status == 0
    assert "green-circle.jpg" in tagged(home, "green")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["edit", "nothing", "dog", "--prompt", "x"], "it has everyday"),
        (["edit", "everyday", "dog"], "say what to change"),
        (["edit", "everyday", "dog", "--parent", "no_such_label"], "no_such_label"),
        (["edit", "everyday", "dog", "--threshold", "high"], "is no number"),
        (["edit", "everyday", "dog", "--name", "de="], "lacks a value"),
        (["edit", "everyday", "dog", "--name", "deutsch=Hund"], "language code"),
        (["remove", "everyday", "no_such_label"], "no_such_label"),
        (["remove", "nothing"], "it has everyday"),
        (["add", "nothing"], "there is no vocabulary 'nothing'"),
        (["add", "no-such-file.toml"], "there is no file"),
        (["add", "Bad Name", "--empty"], "lower_snake_case"),
        (["show", "everyday", "no_such_label"], "no_such_label"),
    ],
)
def test_a_change_that_cannot_be_made_says_why_and_changes_nothing(
    home: Path, run: Callable[..., Any], arguments: list[str], says: str
) -> None:
    before = (home / "vocabularies" / "everyday.toml").read_bytes()
    ran = run("vocabulary", *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert (home / "vocabularies" / "everyday.toml").read_bytes() == before


def test_what_a_plugin_that_is_switched_off_said_outlives_a_vocabulary_of_its_name(
    home: Path, run: Callable[..., Any]
) -> None:
    assert run("vocabulary", "add", "quality", "--empty").status == 0
    with (home / "opsin.toml").open("a") as settings:
        settings.write("\n[plugins.quality]\nenabled = false\n")
    assert run("vocabulary", "remove", "quality").status == 0
    with opsin.open(home, readonly=True) as library:
        assert "quality" in [report.categorizer for report in library.reports("red-circle.jpg")]


def test_a_name_that_is_taken_is_a_conflict(home: Path, run: Callable[..., Any]) -> None:
    ran = run("vocabulary", "add", "everyday")
    assert ran.status == 4
    assert "has a vocabulary 'everyday' already" in ran.err


def test_a_broken_vocabulary_is_named_with_its_line_and_can_be_mended(
    home: Path, shapes: Path, run: Callable[..., Any]
) -> None:
    shapes.write_text(VOCABULARY + 'other = { parents = ["nowhere"] }\n', "utf-8")
    ran = run("vocabulary", "check")
    assert ran.status == 1
    assert f"{shapes}, line 7: label 'other': its parent 'nowhere' is not a label" in ran.out
    assert "1 problem." in ran.out
    assert run("search", "red").status == 2
    before = (home / "vocabularies" / "everyday.toml").read_bytes()
    assert run("vocabulary", "edit", "everyday", "dog", "--synonym", "doggy").status == 2
    assert (home / "vocabularies" / "everyday.toml").read_bytes() == before
    ran = run("doctor", "--quick", "--json")
    assert ran.status == 1
    assert [entry["area"] for entry in ran.lines if entry["state"] == "problem"] == ["vocabularies"]
    assert run("vocabulary", "remove", "shapes").status == 0
    assert run("vocabulary", "check").status == 0


def test_a_file_can_be_checked_without_a_library(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = 3\n", "utf-8")
    ran = run("vocabulary", "check", path, "--json")
    assert ran.status == 1
    assert "broken.toml" in ran.lines[0]["problems"][0]


def test_words_that_two_vocabularies_take_for_different_labels_are_a_warning_and_no_problem(
    home: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    path = tmp_path / "pets.toml"
    path.write_text('name = "pets"\n[labels]\nfriend = { synonyms = ["dog"] }\n', "utf-8")
    told = "'dog' means 'dog' in everyday and 'friend' in pets: 'dog' counts"
    assert run("vocabulary", "check", home / "vocabularies" / "everyday.toml", path, "--json").lines == [
        {"sound": True, "problems": [], "warnings": [told]}
    ]
    ran = run("vocabulary", "add", path)
    assert (ran.status, ran.err) == (0, f"Note: {told}.\n")
    ran = run("vocabulary", "check")
    assert (ran.status, ran.out) == (0, f"warning: {told}\nAll is well.\n")


def test_a_word_that_means_another_label_elsewhere_is_told_when_it_is_given_and_not_again(
    shapes: Path, run: Callable[..., Any]
) -> None:
    told = "'dog' means 'dog' in everyday and 'red_thing' in shapes: 'dog' counts"
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--synonym", "dog", "--synonym", "scarlet", "--no-rescore")
    assert (ran.status, ran.err) == (0, f"Note: {told}.\n")
    again = ("vocabulary", "edit", "shapes", "red_thing", "--threshold", "9", "--no-rescore")
    assert run(*again).err == ""
    ran = run("vocabulary", "edit", "shapes", "red_thing", "--name", "cat", "--no-rescore", "--json")
    assert ran.err == ""
    assert ran.lines[0]["warnings"] == ["'cat' means 'cat' in everyday and 'red_thing' in shapes: 'cat' counts"]


def test_no_more_than_ten_words_of_an_added_vocabulary_are_told(
    home: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    with opsin.open(home, readonly=True) as library:
        words = [label.id for label in library.vocabularies.get("everyday").labels][:13]
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\n[labels]\nmy_thing = {{ synonyms = {words} }}\n', "utf-8")
    told = run("vocabulary", "add", path, "--no-rescore").err.splitlines()
    assert len(told) == 11
    assert told[-1] == "... and 3 more such words: `opsin vocabulary check` tells them."
