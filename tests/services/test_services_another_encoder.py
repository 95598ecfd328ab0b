"""A library whose encoder changed says so, and what people said of its pictures is brought over to a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsin.errors import EncoderMismatch
from opsin.library import ImportCounts
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary


def test_what_people_said_survives_a_change_of_encoder(make_library: MakeLibrary, photos: Path, tmp_path: Path) -> None:
    old = make_library("old")
    old.add(photos, owner="ann")
    upload = jpeg_bytes(make_picture("purple", "ring", 80))
    (uploaded,) = old.add(upload, caption="from a phone", context={"album": "trip"})
    old.tag("red-square.jpg", add=["Keeper"], remove=["red"])
    assert uploaded.id is not None
    old.tag(uploaded.id, add=["Souvenir"])
    with old._workspace.catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = 'fake fake-0 64' WHERE key = 'encoder_revision'")
    old.close()

    old = make_library("old")
    with pytest.raises(EncoderMismatch, match=r"fake-1.*fake-0.*opsin export, init, add, import"):
        old.search("red")
    old.export(tmp_path / "said.jsonl")
    old.close()

    new = make_library("new")
    new.add(photos)
    new.add(*[path for path in (old.path / "blobs").rglob("*") if path.is_file()], copy=True)
    assert new.import_records((tmp_path / "said.jsonl").read_bytes().splitlines()) == ImportCounts(updated=7)
    asset = new.get("red-square.jpg")
    assert asset.owner == "ann"
    assert "keeper" in [tag.label for tag in asset.tags if tag.by == "person"]
    assert "red" not in [tag.label for tag in asset.tags]
    (again,) = new.list(where=["tag=souvenir"])
    assert (again.caption, again.context, again.copied) == ("from a phone", {"album": "trip"}, True)
    assert new.search("red", everything=True).hits
    assert new.count() == 7
