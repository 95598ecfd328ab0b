"""Pictures of object stores are listed and read like those of a folder."""

from __future__ import annotations

from collections.abc import Callable

import obstore
import pytest
from obstore.store import MemoryStore

from opsin.errors import LimitExceeded, SourceUnavailable
from opsin.intake.places import BucketScope, Places
from opsin.intake.sources import LeftOut, Source, expand, locate
from opsin.settings import Settings


@pytest.fixture
def bucket() -> MemoryStore:
    store = MemoryStore()
    for key in ("2024/b.jpg", "2024/a.jpg", "2024/deep/c.png", "2024/notes.txt", "2024b/x.jpg", "top.jpg"):
        obstore.put(store, key, key.encode())
    return store


def find(bucket: MemoryStore, *urls: str, left_out: Callable[[LeftOut], None] | None = None) -> list[Source]:
    opened: list[str] = []

    def open_store(url: str) -> MemoryStore:
        opened.append(url)
        return bucket

    found = list(expand(urls, settings=Settings(), left_out=left_out, open_store=open_store))
    assert len(opened) == len(set(opened))
    return found


def test_a_prefix_is_listed_like_a_folder(bucket: MemoryStore) -> None:
    left_out: list[LeftOut] = []
    found = find(bucket, "s3://photos/2024", left_out=left_out.append)
    assert [source.location for source in found] == [
        "s3://photos/2024/a.jpg",
        "s3://photos/2024/b.jpg",
        "s3://photos/2024/deep/c.png",
    ]
    assert left_out == [LeftOut("s3://photos/2024/notes.txt", "not named like a picture")]
    assert (found[0].kind, found[0].name, found[0].size) == ("object", "a.jpg", 10)
    assert found[0].etag
    assert found[0].mtime_ns


def test_a_whole_bucket_and_a_single_object_can_be_named(bucket: MemoryStore) -> None:
    assert len(find(bucket, "gs://photos", "gs://photos/")) == 10
    (single,) = find(bucket, "az://photos/2024/notes.txt")
    assert single.read(100) == b"2024/notes.txt"
    with pytest.raises(LimitExceeded):
        single.read(5)


def test_an_object_can_be_read_again_by_its_location(bucket: MemoryStore) -> None:
    source = locate("s3://photos/top.jpg", settings=Settings(), open_store=lambda _: bucket)
    assert source.read(100) == b"top.jpg"
    obstore.delete(bucket, "top.jpg")
    with pytest.raises(SourceUnavailable, match="does not exist"):
        source.read(100)


def test_an_empty_prefix_is_an_error_of_its_own(bucket: MemoryStore) -> None:
    missing, found = find(bucket, "s3://photos/2023", "s3://photos/top.jpg")
    with pytest.raises(SourceUnavailable, match="nothing lies below it"):
        missing.read(100)
    assert found.read(100) == b"top.jpg"


def test_a_prefix_covers_what_lies_below_it_and_an_empty_one_is_told_apart(bucket: MemoryStore) -> None:
    scope, places = BucketScope.of("S3://photos/2024/"), Places(lambda _: bucket)
    assert scope.location == "s3://photos/2024"
    inside = [
        location for location in ("s3://photos/2024/a.jpg", "s3://photos/2024b/x.jpg") if _within(scope, location)
    ]
    assert inside == ["s3://photos/2024/a.jpg"]
    assert places.look("s3://photos/2024/a.jpg") is not None
    obstore.delete(bucket, ["2024/a.jpg"])
    assert places.look("s3://photos/2024/a.jpg") is None
    assert scope.hollow("s3://photos/2024/a.jpg", places) is None
    obstore.delete(bucket, ["2024/b.jpg", "2024/deep/c.png", "2024/notes.txt"])
    assert scope.hollow("s3://photos/2024/a.jpg", places) == "s3://photos/2024"


def _within(scope: BucketScope, location: str) -> bool:
    return any(low <= location < high for low, high in scope.ranges)


def test_a_bucket_that_does_not_answer_is_not_held_for_empty() -> None:
    def closed(_: str) -> MemoryStore:
        raise OSError("no answer")

    places = Places(closed)
    with pytest.raises(SourceUnavailable, match=r"no answer\. Credentials .*AWS_ACCESS_KEY_ID.*AWS_SKIP_SIGNATURE"):
        places.look("s3://photos/a.jpg")
    assert places.some_below("s3://photos")
