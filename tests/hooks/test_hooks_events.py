"""Which events are written down, in which transaction, and that nothing is where nobody listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from tests.services.counting import Counted

import opsin
from opsin.catalogue import outbox
from opsin.errors import LibraryError
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary


def told(library: opsin.Library) -> list[dict[str, Any]]:
    with library._workspace.catalogue.read() as connection:
        found = outbox.after(connection, 0, 1000)
    return [{"kind": each.kind, **json.loads(each.data)} for each in found]


def kinds(library: opsin.Library) -> list[str]:
    return [each["kind"] for each in told(library)]


def test_everything_that_happens_to_assets_is_told_in_order(library: opsin.Library, tmp_path: Path) -> None:
    library.webhooks.create("https://hooks.example/", ["*"])
    folder = tmp_path / "pictures"
    folder.mkdir()
    red, blue = folder / "red.jpg", folder / "blue.jpg"
    red.write_bytes(jpeg_bytes(make_picture("red", "square", 96)))
    blue.write_bytes(jpeg_bytes(make_picture("blue", "square", 96)))
    library.add(red, blue, owner="ann")
    library.tag("red.jpg", add=["holiday"], remove=["red"])
    library.add(red, caption="a square")
    red.rename(folder / "rouge.jpg")
    library.add(folder)
    blue.write_bytes(jpeg_bytes(make_picture("green", "circle", 96)))
    library.add(folder)
    kept = blue.read_bytes()
    blue.unlink()
    library.add(folder)
    blue.write_bytes(kept)
    library.add(folder)
    events = told(library)
    assert [(each["kind"], each["asset"]["name"]) for each in events] == [
        ("asset.added", "red.jpg"),
        ("asset.added", "blue.jpg"),
        ("asset.tagged", "red.jpg"),
        ("asset.updated", "red.jpg"),
        ("asset.moved", "rouge.jpg"),
        ("asset.replaced", "blue.jpg"),
        ("asset.tagged", "blue.jpg"),
        ("asset.vanished", "blue.jpg"),
        ("asset.returned", "blue.jpg"),
    ]
    assert (events[0]["asset"]["owner"], events[2]["added"], events[2]["removed"]) == ("ann", ["holiday"], ["red"])
    assert events[3]["changed"] == ["caption"]
    assert "holiday" in [tag["label"] for tag in events[2]["asset"]["tags"]]
    assert events[7]["asset"]["vanished_at"]


def test_what_a_reanalysis_and_an_import_change_is_told(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library()
    library.add(photos)
    library.webhooks.create("https://hooks.example/")
    library.vocabularies.create("own")
    library.vocabularies.edit_label("own", "reddish", prompts=("red square",), threshold={"default": -5.0})
    library.vocabularies.rescore("own")
    reanalysed = told(library)
    assert {each["kind"] for each in reanalysed} == {"asset.reanalysed"}
    assert all("reddish" in each["added"] for each in reanalysed)
    (name,) = [each.name for each in library.list(limit=1)]
    location = next(library.list(limit=1)).location
    lines = [json.dumps({"location": location, "owner": "ben", "tags": ["beach"]}).encode()]
    library.import_records(lines)
    assert [(each["kind"], each["asset"]["name"]) for each in told(library)[len(reanalysed) :]] == [
        ("asset.tagged", name),
        ("asset.updated", name),
    ]
    library.import_records(lines)
    assert len(told(library)) == len(reanalysed) + 2


def test_a_change_a_deletion_and_its_undoing_are_told_and_what_is_erased_leaves_events_that_wait(
    library: opsin.Library, photos: Path
) -> None:
    library.webhooks.create("https://hooks.example/")
    red, blue = (photos / f"{name}-square.jpg" for name in ("red", "blue"))
    library.add(red, blue, owner="ann")
    asset = library.get(str(red)).id
    library.edit(asset, owner="zephyrine", public_id="logo", add=["holiday"])
    library.edit(asset, owner="zephyrine")
    library.delete(asset)
    library.undelete(asset)
    library.undelete(asset)
    library.delete(asset)
    library.add(red)
    events = told(library)[2:]
    assert [each["kind"] for each in events] == [
        *("asset.updated", "asset.tagged"),
        *("asset.deleted", "asset.restored") * 2,
    ]
    assert events[0]["changed"] == ["owner", "public_id"]
    assert {each["asset"]["id"] for each in events} == {asset}
    assert "holiday" in [tag["label"] for tag in events[2]["asset"]["tags"]]
    library.delete(asset, at_once=True)
    mine, others = [each for each in told(library) if each["asset"]["id"] == asset], told(library)[1]
    assert mine[0]["kind"] == "asset.added"
    assert mine[-1] == {"kind": "asset.deleted", "asset": {"id": asset}, "erased": True}
    assert all(set(each) == {"kind", "asset", "erased"} and each["asset"] == {"id": asset} for each in mine)
    assert others["asset"]["name"] == "blue-square.jpg"


def test_only_what_a_webhook_wants_is_written(library: opsin.Library, photos: Path) -> None:
    library.webhooks.create("https://hooks.example/", ["asset.tagged"])
    library.add(photos)
    assert kinds(library) == []
    other = library.webhooks.create("https://hooks.example/other", ["search.*", "asset.updated"])
    library.add(photos, owner="ann")
    assert set(kinds(library)) == {"asset.updated"}
    library.webhooks.delete(other.id)
    library.add(photos, owner="ben")
    assert len(kinds(library)) == 6


def test_without_a_webhook_nothing_is_written_nor_asked(
    make_library: MakeLibrary, photos: Path, library: opsin.Library
) -> None:
    library.add(photos)
    library.tag("red-square.jpg", add=["warm"])
    with Counted(library) as counted:
        library.tag("red-square.jpg", add=["holiday"])
        library.add(photos, owner="ann")
    assert not [each for each in counted.statements if "webhook" in each or "event" in each.split("WHERE")[0]]


def test_with_a_webhook_a_group_of_pictures_costs_few_statements_more(library: opsin.Library, photos: Path) -> None:
    library.webhooks.create("https://hooks.example/")
    library.add(photos)
    with Counted(library) as few:
        library.add(next(photos.iterdir()), owner="a")
    with Counted(library) as many:
        library.add(photos, owner="b")
    inserts = [each for each in many.statements if "INSERT INTO event" in each]
    assert len(inserts) <= 6
    assert len(many.statements) <= len(few.statements) * 6


def test_an_event_is_written_with_what_it_tells_of_or_not_at_all(library: opsin.Library, photos: Path) -> None:
    library.webhooks.create("https://hooks.example/")
    with library._workspace.catalogue.write() as connection:
        connection.execute(text("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'full'); END"))
    with pytest.raises((LibraryError, Exception), match="full"):
        library.add(photos)
    assert library.count() == 0
    assert kinds(library) == []
