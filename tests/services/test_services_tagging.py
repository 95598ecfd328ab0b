"""What is shown, found, counted and exported is one and the same set of tags, whatever was done to a library."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import opsin
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.services.counting import Counted
else:
    from counting import Counted

VOCABULARY = """\
name = "shades"

[labels]
crimson = { prompts = ["red"], parents = ["warm"], threshold = { default = 3.0 } }
lemon = { prompts = ["yellow"], parents = ["warm"], threshold = { default = 3.0 } }
navy = { prompts = ["blue"], parents = ["cold"], threshold = { default = 3.0 } }
warm = { prompts = ["an oven"], parents = ["shade"], threshold = { default = 50.0 } }
cold = { prompts = ["an icicle"], parents = ["shade"], threshold = { default = 50.0 } }
shade = { prompts = ["a parasol"], threshold = { default = 50.0 } }
"""
COLOURS = ("red", "green", "blue", "yellow")
WORDS = ("crimson", "lemon", "navy", "warm", "cold", "shade", "red", "keeper", "holiday")


@pytest.fixture
def shades(make_library: MakeLibrary, tmp_path: Path) -> opsin.Library:
    """Return an empty library with a vocabulary in which labels imply others."""
    library = make_library(settings="\n[plugins.quality]\nenabled = false\n", vocabularies=())
    path = tmp_path / "shades.toml"
    path.write_text(VOCABULARY, "utf-8")
    library.vocabularies.add(path)
    return library


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, colour in enumerate(COLOURS * 2):
        data = jpeg_bytes(make_picture(colour, "square" if number < 4 else "full", 64))
        (folder / f"{number}-{colour}.jpg").write_bytes(data)
    return folder


def shown(library: opsin.Library) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for asset in library.list():
        for tag in asset.tags:
            found.setdefault(tag.label, set()).add(asset.id)
    return found


def disagreements(library: opsin.Library) -> Iterator[str]:
    """Yield each way in which something else is found, counted or exported than is shown."""
    expected = shown(library)
    labels = expected.keys() | set(WORDS[:7]) | {entry.label for entry in library.tags()}
    for label in sorted(labels):
        if {asset.id for asset in library.list(where=[f"tag={label}"])} != expected.get(label, set()):
            yield f"tag={label}"
        if library.count(where=[f"tag!={label}"]) != library.count() - len(expected.get(label, ())):
            yield f"tag!={label}"
    if {entry.label: entry.count for entry in library.tags()} != {label: len(ids) for label, ids in expected.items()}:
        yield "the counts"
    exported = Counter(tag.label for record in library.records() for tag in record.tags)
    if exported != {label: len(ids) for label, ids in expected.items()}:
        yield "the export"


def test_a_parent_that_falls_with_its_only_child_is_neither_found_nor_counted(
    shades: opsin.Library, pictures: Path
) -> None:
    shades.add(pictures)
    assert "0-red.jpg" in [asset.name for asset in shades.list(where=["tag=shade"])]
    view = shades.tag("0-red.jpg", remove=["crimson"])
    assert not {"crimson", "warm", "shade"} & {tag.label for tag in view.tags}
    assert "0-red.jpg" not in [asset.name for asset in shades.list(where=["tag=warm|shade"])]
    assert not list(disagreements(shades))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_shown_found_counted_and_exported_agrees_after_anything(
    shades: opsin.Library, pictures: Path, seed: int
) -> None:
    chance = random.Random(seed)
    files = sorted(pictures.iterdir())
    shades.add(*files[:5], tags=["holiday"])
    for _ in range(6):
        match chance.randrange(6):
            case 0:
                shades.add(*chance.sample(sorted(pictures.iterdir()), 3), tags=chance.sample(WORDS, 1))
            case 1:
                file = chance.choice(sorted(pictures.iterdir()))
                file.write_bytes(jpeg_bytes(make_picture(chance.choice(COLOURS), "ring", chance.randrange(64, 99))))
                shades.add(file)
            case 2:
                file = chance.choice(sorted(pictures.iterdir()))
                shades.add(file.rename(file.with_name(f"moved-{chance.randrange(1000)}-{file.name}")))
            case 3:
                shades.reanalyse(shades.plan_reanalysis())
            case 4:
                shades.add(chance.choice(sorted(pictures.iterdir())), auto_tag=chance.choice([0.01, 0.9]))
            case _:
                record = {
                    "location": chance.choice(list(shades.list())).location,
                    "said": {chance.choice(WORDS): False},
                }
                shades.import_records([msgspec.json.encode(record)])
        some = chance.choice(list(shades.list())).id
        added, removed = chance.sample(WORDS, 2)
        shades.tag(some, add=[added], remove=[removed])
        assert not list(disagreements(shades))


def test_other_settings_count_at_once_for_owner_and_reader(
    shades: opsin.Library, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shades.add(pictures)
    before = shown(shades)
    path = shades.path
    shades.close()
    settings = path / "opsin.toml"
    settings.write_text(settings.read_text("utf-8") + "\n[tags.labels]\ncrimson = 1.0\n", "utf-8")
    with opsin.open(path, readonly=True) as reader:
        assert "crimson" in before
        assert "crimson" not in shown(reader)
        assert not list(disagreements(reader))
        assert "opsin index rebuild" in caplog.text
    with opsin.open(path) as owner:
        assert not list(disagreements(owner))
    caplog.clear()
    with opsin.open(path, readonly=True) as reader:
        assert not list(disagreements(reader))
    assert not caplog.records


def test_an_edited_vocabulary_counts_at_once_and_after_scoring_again(shades: opsin.Library, pictures: Path) -> None:
    shades.add(pictures)
    shades.vocabularies.edit_label("shades", "crimson", parents=("cold",))
    assert not list(disagreements(shades))
    shades.vocabularies.rescore("shades")
    assert not list(disagreements(shades))
    assert {asset.name for asset in shades.list(where=["tag=crimson"])} <= {
        asset.name for asset in shades.list(where=["tag=cold"])
    }


def test_scoring_everything_again_needs_no_second_pass_over_the_tags(shades: opsin.Library, pictures: Path) -> None:
    shades.add(pictures)
    shades.vocabularies.edit_label("shades", "crimson", parents=("cold",))
    shades.vocabularies.rescore("shades")
    with Counted(shades) as counted:
        shades.count(where=["tag=crimson"])
    assert not counted.written


def test_a_moved_folder_reads_no_tags_again(shades: opsin.Library, pictures: Path) -> None:
    shades.add(pictures)
    moved = pictures.rename(pictures.with_name("moved"))
    with Counted(shades) as counted:
        assert {each.status for each in shades.add(moved)} == {"moved"}
    assert not [statement for statement in counted.statements if "tag_bitmap" in statement]
    assert not list(disagreements(shades))


def test_changed_pictures_read_the_tags_once_a_group(shades: opsin.Library, pictures: Path) -> None:
    shades.add(pictures)
    for number, file in enumerate(sorted(pictures.iterdir())):
        file.write_bytes(jpeg_bytes(make_picture(COLOURS[number % 4], "cross", 70 + number)))
    with Counted(shades) as counted:
        assert {each.status for each in shades.add(pictures)} == {"changed"}
    groups = [statement for statement in counted.statements if statement.startswith("INSERT INTO report")]
    reads = [statement for statement in counted.statements if statement.startswith("SELECT tag_bitmap")]
    assert len(reads) <= 2 * len(groups)
    assert not list(disagreements(shades))
