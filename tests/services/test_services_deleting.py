"""Deleting assets: unseen at once, undone in time, then erased with all that only they had."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.errors import Taken, UnknownName
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))
GREEN = jpeg_bytes(make_picture("green", "circle", 96))
AT_ONCE = "\n[assets]\nundo = 0\n"


def add(library: opsin.Library, data: bytes, name: str, **said: object) -> str:
    return str(library.add(Upload(data, name), **said)[0].id)  # type: ignore[arg-type]


def is_seen(library: opsin.Library, asset: str) -> set[str]:
    """Return by which ways an asset can still be seen."""
    hits = library.search("red", everything=True, limit=100).hits
    ways: dict[str, Callable[[], bool]] = {
        "list": lambda: asset in {each.id for each in library.list()},
        "filter": lambda: asset in {each.id for each in library.list(where=["tag=secret"])},
        "vanished": lambda: asset in {each.id for each in library.list(where=["vanished=any"])},
        "search": lambda: asset in {hit.asset.id for hit in hits},
        "named": lambda: asset in {hit.asset.id for hit in library.search("secret", everything=True).hits},
        "tags": lambda: "secret" in {tag.label for tag in library.tags()},
        "records": lambda: asset in {each.id for each in library.records()},
        "duplicates": lambda: asset in {each.id for group in library.duplicates() for each in group.assets},
        "similar": lambda: asset in {hit.asset.id for hit in library.similar(next(library.list()).id)},
    }
    return {name for name, way in ways.items() if way()}


def test_what_is_deleted_is_seen_nowhere_and_what_is_restored_is_as_it_was(library: opsin.Library) -> None:
    add(library, RED, "stays.jpg")
    gone = add(library, RED, "gone.jpg", tags=["secret"], caption="mine")
    before = library.get(gone)
    assert is_seen(library, gone) == {
        *("list", "filter", "vanished", "search", "named", "tags", "records", "duplicates", "similar")
    }
    deleted = library.delete(gone)
    assert deleted.restorable_until is not None
    assert is_seen(library, gone) == set()
    assert library.count() == 1
    with pytest.raises(UnknownName):
        library.get(gone)
    with pytest.raises(UnknownName):
        library.delete(gone)
    back = library.undelete(gone)
    assert {**vars_of(back), "updated_at": ""} == {**vars_of(before), "updated_at": ""}
    assert is_seen(library, gone) >= {"list", "filter", "search", "named", "tags"}
    assert library.undelete(gone).id == gone


def vars_of(view: object) -> dict[str, object]:
    return {name: getattr(view, name) for name in view.__struct_fields__}  # type: ignore[attr-defined]


def test_a_reader_beside_the_owner_sees_deletions_and_restorations(make_library: MakeLibrary) -> None:
    owner = make_library()
    gone, stays = add(owner, RED, "gone.jpg"), add(owner, GREEN, "stays.jpg")
    reader = make_library(readonly=True)
    assert len(reader.search("red", everything=True).hits) == 2
    owner.delete(gone)
    assert [hit.asset.id for hit in reader.search("red", everything=True).hits] == [stays]
    owner.undelete(gone)
    assert len(list(reader.list())) == len(reader.search("red", everything=True).hits) == 2
    owner.delete(gone, at_once=True)
    assert [hit.asset.id for hit in reader.search("red", everything=True).hits] == [stays]
    again = add(owner, RED, "again.jpg")
    assert {hit.asset.id for hit in reader.search("red", everything=True).hits} == {stays, again}


def test_what_is_erased_leaves_no_byte_in_the_library_or_in_a_later_backup(
    make_library: MakeLibrary, tmp_path: Path
) -> None:
    library = make_library(settings=AT_ONCE)
    stays = add(library, GREEN, "stays.jpg")
    said = {"owner": "zephyrine", "caption": "quixotic", "public_id": "shop/obscure", "tags": ["clandestine"]}
    gone = add(library, RED, "ephemeral.jpg", context={"k": "mellifluous"}, **said)
    library.preview(gone)
    digest = library.get(gone).sha256
    number = library.index.status().vectors
    with closing(sqlite3.connect(library.path / "catalogue.sqlite")) as catalogue:
        ((vector,),) = catalogue.execute("SELECT vector FROM embedding ORDER BY row DESC LIMIT 1")
    assert library.delete(gone).restorable_until is None
    with pytest.raises(UnknownName):
        library.undelete(gone)
    assert library.index.status().vectors == library.index.status().indexed == number - 1
    library.back_up(tmp_path / "backup")
    root = library.path
    library.close()
    traces = ["zephyrine", "quixotic", "obscure", "clandestine", "mellifluous", "ephemeral", gone, digest]
    for place in (root, tmp_path / "backup"):
        for path in place.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert not [each for each in traces if each.encode() in data or each in path.name], path
                assert bytes.fromhex(digest) not in data, path
                assert RED[-60:] not in data, path
                assert vector not in data, path
    with opsin.open(root) as again:
        assert [each.id for each in again.list()] == [stays]
        assert not again.index.verify()
        assert [each.area for each in again.examine() if each.state == "problem"] == []


def test_erasing_one_asset_leaves_the_content_to_the_others_that_have_it(make_library: MakeLibrary) -> None:
    library = make_library(settings=AT_ONCE)
    first, second = add(library, RED, "a.jpg"), add(library, RED, "b.jpg")
    library.delete(first)
    assert library.original(second) == RED
    assert library.preview(second)
    assert [hit.asset.id for hit in library.search("red", everything=True).hits] == [second]


def test_a_copy_goes_with_the_last_asset_that_was_copied(make_library: MakeLibrary, tmp_path: Path) -> None:
    library = make_library(settings=AT_ONCE)
    (tmp_path / "here.jpg").write_bytes(RED)
    library.add(tmp_path / "here.jpg")
    library.delete(add(library, RED, "copied.jpg"))
    assert not [path for path in (library.path / "blobs").rglob("*") if path.is_file()]
    assert library.original("here.jpg") == RED


def test_files_that_are_referenced_are_left_alone_and_come_back_with_the_next_add(
    library: opsin.Library, photos: Path
) -> None:
    library.add(photos)
    file = photos / "red-square.jpg"
    asset = library.get(str(file)).id
    library.tag(asset, add=["mine"])
    library.delete(str(file))
    assert file.is_file()
    added = {each.source: each for each in library.add(photos)}
    assert added["red-square.jpg"].status == "returned"
    assert added["red-square.jpg"].id == asset
    assert "mine" in {tag.label for tag in library.get(asset).tags}
    assert asset in {each.id for each in library.list(where=["tag=mine"])}
    library.delete(asset, at_once=True)
    again = {each.source: each for each in library.add(photos)}["red-square.jpg"]
    assert again.status == "added"
    assert again.id != asset


def test_another_picture_at_the_place_of_a_deleted_one_is_another_asset(library: opsin.Library, photos: Path) -> None:
    library.add(photos / "red-square.jpg")
    asset = library.get(str(photos / "red-square.jpg")).id
    library.delete(asset)
    (photos / "red-square.jpg").write_bytes(jpeg_bytes(make_picture("yellow", "circle", 96)))
    added = library.add(photos / "red-square.jpg")[0]
    assert added.status == "added"
    assert added.replaced is None
    assert added.id != asset
    assert library.undelete(asset).vanished_at is not None


def test_numbers_of_rows_and_changes_are_never_used_again(make_library: MakeLibrary) -> None:
    library = make_library(settings=AT_ONCE)
    for _ in range(3):
        library.delete(add(library, RED, "a.jpg"))
    with closing(sqlite3.connect(library.path / "catalogue.sqlite")) as catalogue:
        erased = catalogue.execute("SELECT row, change FROM erased_asset").fetchall()
        assert len({row for row, _ in erased}) == len({change for _, change in erased}) == 3
        add(library, RED, "a.jpg")
        ((row, change),) = catalogue.execute("SELECT row, change FROM asset").fetchall()
        assert row > max(row for row, _ in erased)
        assert change > max(change for _, change in erased)


def test_what_was_erased_in_the_catalogue_alone_leaves_the_index_when_it_is_opened(make_library: MakeLibrary) -> None:
    library = make_library()
    gone, stays = add(library, RED, "gone.jpg"), add(library, GREEN, "stays.jpg")
    library.close()
    snapshot = (library.path / "index.opsin").read_bytes()
    with opsin.open(library.path) as again:
        again.delete(gone, at_once=True)
    (library.path / "index.opsin").write_bytes(snapshot)  # as if it had been killed before the index was written
    with opsin.open(library.path) as again:
        assert [hit.asset.id for hit in again.search("red", everything=True).hits] == [stays]
        assert not again.index.verify()


def test_a_deletion_that_can_be_undone_is_erased_when_its_time_is_over(make_library: MakeLibrary) -> None:
    library = make_library()
    gone = add(library, RED, "a.jpg")
    library.delete(gone)
    assert library.erase_deleted() == 0
    with closing(sqlite3.connect(library.path / "catalogue.sqlite")) as catalogue, catalogue:
        catalogue.execute("UPDATE asset SET deleted_at = '2020-01-01T00:00:00.000Z'")
    with pytest.raises(UnknownName):
        library.undelete(gone)
    assert library.erase_deleted() == 1
    assert library.index.status().contents == 0


def test_a_public_id_that_another_asset_took_meanwhile_is_said_when_the_first_is_to_come_back(
    library: opsin.Library,
) -> None:
    first = add(library, RED, "a.jpg", public_id="logo")
    library.delete("logo")
    second = add(library, GREEN, "b.jpg", public_id="logo")
    assert second != first
    with pytest.raises(Taken, match=second):
        library.undelete(first)
    library.edit(second, public_id=None)
    assert library.undelete(first).public_id == "logo"


def test_what_cannot_be_erased_yet_is_deleted_nevertheless_and_erased_as_soon_as_can_be(library: opsin.Library) -> None:
    gone, other = add(library, RED, "gone.jpg"), add(library, GREEN, "other.jpg")
    digest = library.get(gone).sha256
    (copy,) = [path for path in (library.path / "blobs").rglob(f"{digest}*") if path.is_file()]
    copy.unlink()
    copy.mkdir()  # a folder stands for a file that the disk does not give up
    told = library.delete(gone, at_once=True)
    assert told.problem is not None
    assert (told.restorable_until, told.problem.code) == (None, "library")
    assert str(copy) in told.problem.message
    assert [each.id for each in library.list()] == [other]
    with pytest.raises(UnknownName):
        library.undelete(gone)
    later = library.delete(other)
    assert (later.restorable_until is not None, later.problem) == (True, None), (
        "what another left is none of its problems"
    )
    copy.rmdir()
    assert library.erase_deleted() == 1
