"""What adding again does about pictures that are gone, came back, or took each other's names."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

import opsin
from opsin.library import Added
from opsin.testing import jpeg_bytes, make_picture


def by_name(outcomes: list[Added]) -> dict[str, str]:
    return {outcome.source: outcome.status for outcome in outcomes if outcome.status != "unchanged"}


def vanished(library: opsin.Library) -> list[str]:
    return [asset.name for asset in library.list(where=["vanished=yes"])]


def people_say(library: opsin.Library, name: str) -> list[str]:
    return [tag.label for tag in library.get(name).tags if tag.by == "person"]


def test_what_vanished_is_told_with_its_asset_and_left_out_of_searches(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    (photos / "red-square.jpg").unlink()
    (gone,) = [outcome for outcome in library.add(photos) if outcome.status != "unchanged"]
    assert (gone.source, gone.status) == ("red-square.jpg", "vanished")
    assert gone.asset is not None
    assert gone.asset.vanished_at is not None
    assert "red-square.jpg" not in [hit.asset.name for hit in library.search("red", everything=True).hits]
    assert by_name(library.add(photos)) == {}


def test_a_file_that_comes_back_is_unmarked_and_keeps_what_was_said_of_it(
    library: opsin.Library, photos: Path, tmp_path: Path
) -> None:
    library.add(photos)
    library.tag("red-square.jpg", add=["keeper"])
    (photos / "red-square.jpg").rename(tmp_path / "away.jpg")
    library.add(photos)
    (tmp_path / "away.jpg").rename(photos / "red-square.jpg")
    assert by_name(library.add(photos)) == {"red-square.jpg": "returned"}
    assert people_say(library, "red-square.jpg") == ["keeper"]
    assert vanished(library) == []


def test_a_glob_marks_what_it_would_match_and_nothing_else(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    for name in ("red-square.jpg", "blue-circle.jpg"):
        (photos / name).unlink()
    assert by_name(library.add(str(photos / "red-*.jpg"))) == {"red-square.jpg": "vanished"}
    assert vanished(library) == ["red-square.jpg"]


def test_a_file_whose_name_is_not_utf8_is_marked_too(library: opsin.Library, photos: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.jpg"))
    try:
        odd.write_bytes(jpeg_bytes(make_picture("green", "ring", 96)))
    except OSError:
        pytest.skip("this file system wants UTF-8")
    library.add(photos)
    odd.unlink()
    assert [outcome.status for outcome in library.add(photos) if outcome.status != "unchanged"] == ["vanished"]


def test_a_copied_picture_never_vanishes(library: opsin.Library, photos: Path) -> None:
    library.add(photos, copy=True)
    (photos / "red-square.jpg").unlink()
    assert by_name(library.add(photos)) == {}
    assert library.count() == 6


@pytest.mark.parametrize("how", ["emptied", "missing"])
def test_a_folder_that_is_empty_or_missing_as_a_whole_marks_nothing_until_somebody_says_so(
    library: opsin.Library, photos: Path, how: str
) -> None:
    library.add(photos)
    shutil.rmtree(photos)
    if how == "emptied":
        photos.mkdir()
    (told,) = library.add(photos)
    assert (told.source, told.status) == (str(photos), "unreachable")
    assert told.problem is not None
    assert "knows 6 pictures in it" in told.problem.message
    assert "--mark-vanished" in told.problem.message
    assert library.count() == 6
    assert {outcome.status for outcome in library.add(photos, mark_vanished=True)} == {"vanished"}
    assert library.count() == 0


def test_a_folder_within_that_is_empty_is_told_apart_from_one_that_was_deleted(
    library: opsin.Library, photos: Path
) -> None:
    for name in ("mounted", "deleted"):
        (photos / name).mkdir()
        (photos / name / f"{name}.jpg").write_bytes(jpeg_bytes(make_picture("red", "ring", 90 + len(name))))
    library.add(photos)
    (photos / "mounted" / "mounted.jpg").unlink()
    shutil.rmtree(photos / "deleted")
    assert by_name(library.add(photos)) == {"deleted.jpg": "vanished", str(photos / "mounted"): "unreachable"}


def test_a_disk_below_the_folder_that_is_not_there_marks_nothing_even_where_its_folder_went_with_it(
    library: opsin.Library, photos: Path, lacking: Callable[[str], NoReturn]
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == photos.stat().st_dev:
        lacking("there is no second file system")
    with tempfile.TemporaryDirectory(dir=memory) as disk:
        (Path(disk) / "2024").mkdir()
        (Path(disk) / "2024" / "ring.jpg").write_bytes(jpeg_bytes(make_picture("red", "ring", 96)))
        (photos / "usb").symlink_to(disk)
        library.add(photos)
        (photos / "usb").unlink()
        assert by_name(library.add(photos)) == {str(photos / "usb"): "unreachable"}
        (photos / "usb").mkdir()
        (photos / "usb" / ".DS_Store").touch()
        assert by_name(library.add(photos)) == {str(photos / "usb"): "unreachable"}
        (photos / "usb" / ".DS_Store").unlink()
        (photos / "usb").rmdir()
        (photos / "usb").symlink_to(disk)
        assert by_name(library.add(photos)) == {}
    assert by_name(library.add(photos)) == {str(photos / "usb"): "unreachable"}
    assert library.count() == 7
    assert by_name(library.add(photos, mark_vanished=True)) == {"ring.jpg": "vanished"}


def test_a_folder_that_may_not_be_read_marks_nothing(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    photos.chmod(0)
    try:
        if os.access(photos, os.R_OK):
            pytest.skip("nothing is forbidden to this user")
        assert "vanished" not in by_name(library.add(photos)).values()
    finally:
        photos.chmod(0o700)
    assert library.count() == 6


def test_a_single_file_that_was_named_and_is_gone_is_marked_instead_of_refused(
    library: opsin.Library, photos: Path
) -> None:
    library.add(photos)
    (photos / "red-square.jpg").unlink()
    assert by_name(library.add(photos / "red-square.jpg")) == {"red-square.jpg": "vanished"}
    assert by_name(library.add(photos / "never.jpg")) == {"never.jpg": "refused"}


def test_a_file_renamed_onto_another_takes_its_tags_along_and_the_other_one_vanishes(
    library: opsin.Library, photos: Path
) -> None:
    library.add(photos)
    moved, overwritten = library.get("red-square.jpg").id, library.get("blue-circle.jpg").id
    library.tag("red-square.jpg", add=["keeper"])
    library.tag("blue-circle.jpg", add=["second_choice"])
    (photos / "red-square.jpg").replace(photos / "blue-circle.jpg")
    outcomes = [outcome for outcome in library.add(photos) if outcome.status != "unchanged"]
    assert [(outcome.id, outcome.status) for outcome in outcomes] == [(moved, "moved"), (overwritten, "vanished")]
    assert outcomes[0].replaced == overwritten
    assert library.get("blue-circle.jpg").id == moved
    assert people_say(library, "blue-circle.jpg") == ["keeper"]
    assert people_say(library, overwritten) == ["second_choice"]
    assert library.get(overwritten).vanished_at is not None
    assert "overwritten" in library.get(overwritten).location
    assert library.count() == 5


def test_two_files_that_swap_their_names_swap_what_was_said_of_them(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    ids = {name: library.get(name).id for name in ("red-square.jpg", "blue-circle.jpg")}
    library.tag("red-square.jpg", add=["keeper"])
    (photos / "red-square.jpg").rename(photos / "aside")
    (photos / "blue-circle.jpg").rename(photos / "red-square.jpg")
    (photos / "aside").rename(photos / "blue-circle.jpg")
    assert by_name(library.add(photos)) == {"blue-circle.jpg": "moved", "red-square.jpg": "moved"}
    assert library.get("blue-circle.jpg").id == ids["red-square.jpg"]
    assert library.get("red-square.jpg").id == ids["blue-circle.jpg"]
    assert people_say(library, "blue-circle.jpg") == ["keeper"]
    assert people_say(library, "red-square.jpg") == []
    assert (library.count(), vanished(library)) == (6, [])
    assert by_name(library.add(photos)) == {}


def test_a_file_overwritten_with_a_copy_of_another_becomes_a_new_asset(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    library.tag("blue-circle.jpg", add=["second_choice"])
    shutil.copyfile(photos / "red-square.jpg", photos / "blue-circle.jpg")
    assert [outcome.status for outcome in library.add(photos) if outcome.status != "unchanged"] == ["known", "vanished"]
    assert people_say(library, "blue-circle.jpg") == []
    assert library.get("red-square.jpg").sha256 == library.get("blue-circle.jpg").sha256
    assert library.count() == 6


def test_a_file_that_was_edited_keeps_what_was_said_of_it(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    library.tag("red-square.jpg", add=["keeper"])
    before = library.get("red-square.jpg").id
    (photos / "red-square.jpg").write_bytes(jpeg_bytes(make_picture("red", "square", 80)))
    assert by_name(library.add(photos)) == {"red-square.jpg": "changed"}
    assert library.get("red-square.jpg").id == before
    assert people_say(library, "red-square.jpg") == ["keeper"]


def test_another_picture_under_the_name_of_a_vanished_one_is_another_asset(
    library: opsin.Library, photos: Path
) -> None:
    library.add(photos)
    library.tag("red-square.jpg", add=["keeper"])
    (photos / "red-square.jpg").unlink()
    library.add(photos)
    (photos / "red-square.jpg").write_bytes(jpeg_bytes(make_picture("green", "ring", 80)))
    assert "added" in by_name(library.add(photos)).values()
    assert people_say(library, "red-square.jpg") == []
    assert library.count() == 6


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as listing and reading take; no signature is looked at."""

    objects: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._object(body=False)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if "list-type" in parts.query:
            self._list(parse_qs(parts.query).get("prefix", [""])[0])
        else:
            self._object(body=True)

    def _list(self, prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{hash(data):x}"</ETag><Size>{len(data)}</Size></Contents>'
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        self._answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode())

    def _object(self, *, body: bool) -> None:
        key = unquote(urlsplit(self.path).path).removeprefix("/photos/")
        self.asked.append(f"{self.command} {key}")
        data = self.objects.get(key)
        self._answer(404 if data is None else 200, data or b"", body=body)

    def _answer(self, status: int, data: bytes, *, body: bool = True) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", f'"{hash(data):x}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name, value in {
            "AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_SKIP_SIGNATURE": "true",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        Bucket.objects, Bucket.asked = {}, []
        yield Bucket
        server.shutdown()
        thread.join()


def test_copies_in_a_bucket_are_looked_at_once_each(library: opsin.Library, bucket: type[Bucket]) -> None:
    data = jpeg_bytes(make_picture("red", "ring", 96))
    bucket.objects = {f"{number:03}.jpg": data for number in range(120)}
    library.add("s3://photos")
    looks = [line for line in bucket.asked if line.startswith("HEAD")]
    assert len(looks) == len(set(looks))


def test_a_bucket_marks_what_is_gone_asking_for_that_alone(library: opsin.Library, bucket: type[Bucket]) -> None:
    colours = ("red", "green", "blue")
    bucket.objects = {f"2024/{colour}.jpg": jpeg_bytes(make_picture(colour, "ring", 96)) for colour in colours}
    assert by_name(library.add("s3://photos/2024")) == {f"{colour}.jpg": "added" for colour in colours}
    del bucket.objects["2024/red.jpg"]
    bucket.asked.clear()
    assert by_name(library.add("s3://photos/2024")) == {"red.jpg": "vanished"}
    assert [line for line in bucket.asked if line != "HEAD 2024"] == ["HEAD 2024/red.jpg"]
    bucket.objects.clear()
    (told,) = library.add("s3://photos/2024")
    assert (told.status, told.source) == ("unreachable", "s3://photos/2024")
    assert library.count() == 2
    assert {outcome.status for outcome in library.add("s3://photos/2024", mark_vanished=True)} == {"vanished"}
