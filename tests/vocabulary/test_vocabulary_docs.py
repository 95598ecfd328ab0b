"""What docs/vocabularies.md shows is true."""

import re
from pathlib import Path

import pytest

from opsin import Label, read_vocabulary
from opsin.errors import SettingError
from opsin_zero_shot.vocabularies import shipped

PAGE = (Path(__file__).parents[2] / "docs" / "vocabularies.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+(?: \w+)?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for each, text in BLOCKS if each == kind]


def test_every_toml_block_of_the_page_is_a_vocabulary() -> None:
    names = [read_vocabulary(text).name for text in blocks("toml")]
    assert names == ["pets", "stage"]


def test_the_broken_block_is_refused_with_the_words_of_the_page() -> None:
    (broken,), (words,) = blocks("toml broken"), blocks("text")
    with pytest.raises(SettingError) as caught:
        read_vocabulary(broken, origin="broken.toml")
    assert str(caught.value) == words.strip()


def test_the_python_of_the_page_runs() -> None:
    for text in blocks("python"):
        exec(compile(text, "docs/vocabularies.md", "exec"), {})


def test_every_field_of_a_label_is_explained_with_an_example_that_works() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| `(.*)` \|$", PAGE, re.MULTILINE))
    assert set(rows) == set(Label.__struct_fields__) - {"id"}
    for example in rows.values():
        read_vocabulary(f'name = "a"\n[labels]\ndog = {{}}\ncat = {{ {example.replace("automobile", "feline")} }}\n')


def test_the_numbers_of_the_page_are_those_of_the_file() -> None:
    everyday = next(vocabulary for vocabulary in shipped() if vocabulary.name == "everyday")
    unseen = sum("starter" in label.unseen for label in everyday.labels)
    assert f"`everyday`: {len(everyday.labels)} labels" in PAGE
    assert f"ImageNet-1k. {unseen} of the labels" in PAGE
