"""Pictures that come as bytes with a name, their own bytes, and lists that go on behind an asset."""

from __future__ import annotations

import pytest

import opsin
from opsin.errors import SourceUnavailable
from opsin.services.looking.given import Upload, upload_of_uri
from opsin.testing import jpeg_bytes, make_picture

RED = jpeg_bytes(make_picture("red", "square", 96))


def test_an_upload_sent_again_is_the_same_asset_and_other_names_and_owners_make_others(library: opsin.Library) -> None:
    def add(name: str, owner: str) -> str | None:
        return library.add(Upload(RED, name), owner=owner)[0].id

    first = add("a.jpg", "ann")
    assert add("a.jpg", "ann") == first
    assert len({first, add("b.jpg", "ann"), add("a.jpg", "ben")}) == 3
    assert library.get(str(first)).owner == "ann"
    assert len({asset.sha256 for asset in library.list()}) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\temp\\passwd", "pass\x00wd\n"])
def test_an_upload_keeps_the_last_part_of_its_name_and_no_control_character(library: opsin.Library, name: str) -> None:
    asset = library.add(Upload(RED, name))[0].asset
    assert asset is not None
    assert asset.name == "passwd"


def test_the_own_bytes_of_a_picture_come_back(library: opsin.Library) -> None:
    added = library.add(Upload(RED, "a.jpg"))[0]
    assert library.original(str(added.id)) == RED


def test_an_upload_that_is_sent_again_puts_its_copy_back(library: opsin.Library) -> None:
    added = library.add(Upload(RED, "a.jpg"))[0]
    (copy,) = [path for path in (library.path / "blobs").rglob("*") if path.is_file()]
    for harm in (copy.unlink, lambda: copy.write_bytes(RED[:-1] + b"x")):
        harm()
        assert [each.status for each in library.add(Upload(RED, "a.jpg"))] == ["copied"]
        assert library.original(str(added.id)) == RED
    assert [each.status for each in library.add(Upload(RED, "a.jpg"))] == ["unchanged"]


def test_a_list_goes_on_behind_an_asset(library: opsin.Library) -> None:
    for number in range(5):
        library.add(Upload(RED, f"{number}.jpg"))
    everything = [asset.id for asset in library.list()]
    assert [asset.id for asset in library.list(after=everything[1], limit=2)] == everything[2:4]
    assert not list(library.list(after=everything[-1]))


@pytest.mark.parametrize(
    "uri", ["http://example.org/a.jpg", "/etc/passwd", "data:image/png;base64", "data:;base64,%%%"]
)
def test_what_is_no_data_uri_is_refused_and_never_fetched(uri: str) -> None:
    with pytest.raises(SourceUnavailable):
        upload_of_uri(uri)
