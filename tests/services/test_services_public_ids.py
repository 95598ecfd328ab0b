"""Names of the caller's choosing, and changing what is said of an asset."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

import opsin
from opsin.errors import Outdated, Taken, UnknownName, UsageError
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

RED = jpeg_bytes(make_picture("red", "square", 96))
GREEN = jpeg_bytes(make_picture("green", "circle", 96))


def test_a_public_id_is_a_name_and_its_next_picture_is_the_next_version_of_the_asset(library: opsin.Library) -> None:
    first = library.add(Upload(RED, "a.jpg"), public_id="shop/logo", owner="ann", tags=["brand"])[0]
    assert first.asset is not None
    assert (first.status, first.asset.version, first.asset.public_id) == ("added", 1, "shop/logo")
    again = library.add(Upload(RED, "a.jpg"), public_id="shop/logo")[0]
    assert (again.status, again.id) == ("unchanged", first.id)
    # also where the bytes are known under another name
    other = library.add(Upload(GREEN, "other.jpg"))[0].id
    second = library.add(Upload(GREEN, "b.jpg"), public_id="shop/logo")[0]
    assert second.asset is not None
    assert (second.status, second.id, second.asset.version) == ("changed", first.id, 2)
    assert second.asset.owner == "ann"
    assert "brand" in {tag.label for tag in second.asset.tags}
    assert library.original("shop/logo") == GREEN
    assert library.get(str(other)).public_id is None
    assert library.count() == 2


def test_what_is_not_to_be_overwritten_stays_and_sending_it_again_does_no_harm(library: opsin.Library) -> None:
    library.add(Upload(RED, "a.jpg"), public_id="logo")
    with pytest.raises(Taken, match="logo"):
        library.add(Upload(GREEN, "b.jpg"), public_id="logo", overwrite=False)
    assert library.add(Upload(RED, "a.jpg"), public_id="logo", overwrite=False)[0].status == "unchanged"
    assert library.original("logo") == RED


def test_a_public_id_is_made_of_what_an_address_need_not_escape(library: opsin.Library) -> None:
    dotted = ["/a", "a/", "a//b", "../a", "a/./b", "-a", "a/-b"]
    for name in (*dotted, "", " ", "a b", "é", "a?b", "a#b", "a%2fb", "a\n", "x" * 256, str(uuid.uuid4())):
        with pytest.raises(UsageError, match="public_id"):
            library.add(Upload(RED, "a.jpg"), public_id=name)
    assert library.count() == 0


def test_a_public_id_names_one_picture(library: opsin.Library, photos: Path) -> None:
    with pytest.raises(UsageError, match="one picture"):
        library.add(photos, public_id="all")
    assert library.count() == 0
    library.add(photos / "red-square.jpg", public_id="red")
    assert library.get("red").location == str(photos / "red-square.jpg")


def test_an_asset_is_changed_in_one_step_or_not_at_all(library: opsin.Library) -> None:
    asset = str(library.add(Upload(RED, "a.jpg"), owner="ann", caption="old", public_id="a")[0].id)
    library.add(Upload(GREEN, "b.jpg"), public_id="b")
    seen = library.etag(library.get(asset))
    with pytest.raises(Taken):
        library.edit(asset, caption="new", public_id="b", add=["x"])
    assert library.etag(library.get(asset)) == seen
    changed = library.edit(asset, caption=None, context={"shelf": 3}, public_id="c/d", add=["Summer"], expected=[seen])
    assert (changed.owner, changed.caption, changed.context, changed.public_id) == ("ann", None, {"shelf": 3}, "c/d")
    assert library.get("c/d").id == asset
    with pytest.raises(UnknownName):
        library.get("a")
    assert [each.id for each in library.list(where=["tag=summer"])] == [asset]
    with pytest.raises(Outdated):
        library.edit(asset, owner="eve", expected=[seen])
    assert library.edit(asset, owner="ben", expected=["x", library.etag(library.get(asset))]).owner == "ben"
    # the former name is free, and means another asset from now on
    assert library.add(Upload(RED, "a.jpg"), public_id="a")[0].id != asset
