"""Adding pictures to a library: what is new, known, moved, changed, vanished and refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin
from opsin.errors import LibraryBusy, LibraryError
from opsin.testing import jpeg_bytes, make_picture, png_bytes

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary


def statuses(outcomes: list[opsin.library.Added]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def test_a_folder_is_added_in_order_and_each_picture_carries_its_tags(library: opsin.Library, photos: Path) -> None:
    added = library.add(photos)
    assert [outcome.source for outcome in added] == sorted(path.name for path in photos.iterdir())
    assert statuses(added) == ["added"] * 6
    for outcome in added:
        assert outcome.asset is not None
        assert outcome.source.split("-")[0] in [tag.label for tag in outcome.asset.tags]


def test_adding_again_reads_nothing_and_adds_nothing(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    assert statuses(library.add(photos)) == ["unchanged"] * 6
    assert library.count() == 6


def test_the_same_bytes_under_two_names_are_two_assets_and_one_content(library: opsin.Library, photos: Path) -> None:
    shutil.copy(photos / "red-square.jpg", photos / "zz.jpg")
    added = {outcome.source: outcome for outcome in library.add(photos)}
    first, second = added["red-square.jpg"].asset, added["zz.jpg"].asset
    assert first is not None
    assert second is not None
    assert first.sha256 == second.sha256
    assert first.id != second.id
    assert library.index.status().contents == 6
    assert library.count() == 7


def test_a_renamed_file_keeps_its_asset(library: opsin.Library, photos: Path) -> None:
    before = {asset.name: asset.id for asset in (outcome.asset for outcome in library.add(photos)) if asset}
    (photos / "red-square.jpg").rename(photos / "renamed.jpg")
    after = {outcome.source: outcome for outcome in library.add(photos)}
    assert after["renamed.jpg"].status == "moved"
    assert after["renamed.jpg"].id == before["red-square.jpg"]
    assert library.count() == 6


def test_a_changed_file_gets_the_tags_of_its_new_content(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    (photos / "red-square.jpg").write_bytes(jpeg_bytes(make_picture("blue", "ring", 80)))
    after = {outcome.source: outcome for outcome in library.add(photos)}
    assert after["red-square.jpg"].status == "changed"
    assert "red-square.jpg" not in [asset.name for asset in library.list(where=["tag=red"])]
    assert "red-square.jpg" in [asset.name for asset in library.list(where=["tag=blue"])]


def test_a_vanished_file_is_marked_and_not_found_until_it_is_back(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    data = (photos / "red-square.jpg").read_bytes()
    (photos / "red-square.jpg").unlink()
    library.add(photos)
    assert library.count() == 5
    assert [asset.name for asset in library.list(where=["vanished=yes"])] == ["red-square.jpg"]
    assert "red-square.jpg" not in [hit.asset.name for hit in library.search("red", everything=True).hits]
    (photos / "red-square.jpg").write_bytes(data)
    library.add(photos)
    assert library.count() == 6


def test_a_refused_file_is_its_own_error_and_stops_nothing(library: opsin.Library, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    added = {outcome.source: outcome for outcome in library.add(photos, photos / "missing.jpg")}
    assert added["broken.jpg"].status == "refused"
    assert added["broken.jpg"].problem is not None
    assert added["broken.jpg"].problem.code == "unreadable-picture"
    assert sum(outcome.status == "added" for outcome in added.values()) == 6
    missing = [outcome for outcome in added.values() if outcome.source.endswith("missing.jpg")]
    assert [outcome.problem.code for outcome in missing if outcome.problem] == ["source-unavailable"]


def test_a_limit_that_was_passed_is_named(make_library: MakeLibrary) -> None:
    library = make_library(settings="[decode]\nmax_pixels = 1000\n")
    (outcome,) = library.add(jpeg_bytes(make_picture(size=96)))
    assert outcome.problem is not None
    assert outcome.problem.limit == "decode.max_pixels"


def test_bytes_and_data_uris_are_copied_in_and_readable_again(library: opsin.Library) -> None:
    data = png_bytes(make_picture("green"))
    (outcome,) = library.add(data, owner="ann", caption="a leaf", context={"album": "trees"}, tags=["My Tag"])
    asset = outcome.asset
    assert asset is not None
    assert asset.copied
    assert (asset.owner, asset.caption, asset.context) == ("ann", "a leaf", {"album": "trees"})
    assert "my_tag" in [tag.label for tag in asset.tags if tag.by == "person"]
    assert library.preview(asset.id, width=32)[8:12] == b"WEBP"


def test_what_was_said_of_an_asset_stays_where_adding_again_says_nothing(library: opsin.Library, photos: Path) -> None:
    library.add(photos, owner="ann", caption="ours")
    (photos / "red-square.jpg").write_bytes(jpeg_bytes(make_picture("blue", "bar", 80)))
    library.add(photos)
    asset = library.get("red-square.jpg")
    assert (asset.owner, asset.caption) == ("ann", "ours")


def test_the_threshold_of_one_call_decides_its_tags(library: opsin.Library) -> None:
    data = jpeg_bytes(make_picture("red", "bar"))
    (strict,) = library.add(data, auto_tag=0.999)
    assert strict.asset is not None
    assert "red" not in [tag.label for tag in strict.asset.tags]
    (loose,) = library.add(data, auto_tag=0.05)
    assert loose.asset is not None
    assert "red" in [tag.label for tag in loose.asset.tags]


def test_what_this_process_has_open_is_not_opened_again_for_writing(library: opsin.Library) -> None:
    with pytest.raises(LibraryBusy, match=r"this process has .* open already"):
        opsin.open(library.path)


def test_an_owner_of_the_same_number_in_another_container_is_not_called_this_process(library: opsin.Library) -> None:
    library.close()
    code = "import sys, filelock; held = filelock.FileLock(sys.argv[1]); held.acquire(); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(library.path / "owner.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (library.path / "owner").write_text(str(os.getpid()), "utf-8")
        with pytest.raises(LibraryBusy, match=rf"in use by process {os.getpid()} of another container: wait for it"):
            opsin.open(library.path)
        other.communicate(b"\n")


def test_a_reader_beside_the_owner_sees_what_was_committed(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    with opsin.open(library.path, readonly=True) as reader:
        assert reader.count() == 6
        assert reader.search("red").hits[0].asset.name.startswith("red")
        with pytest.raises(LibraryError, match="reading"):
            reader.add(photos)


def test_opening_with_another_encoder_names_both(library: opsin.Library) -> None:
    library.close()
    with pytest.raises(opsin.errors.EncoderMismatch, match=r"'fake'.*'starter'"):
        opsin.open(library.path, encoder="starter")


def test_many_copies_of_one_picture_at_once_are_analysed_into_one_content(
    library: opsin.Library, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    data = jpeg_bytes(make_picture("purple", "ring", 128))
    for number in range(60):
        (folder / f"{number:02}.jpg").write_bytes(data)
    assert {outcome.status for outcome in library.add(folder)} <= {"added", "known"}
    status = library.index.status()
    assert (status.assets, status.contents, status.indexed) == (60, 1, 1)


def test_copying_a_file_that_was_only_referenced_copies_it(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    assert statuses(library.add(photos, copy=True)) == ["copied"] * 6
    (photos / "red-square.jpg").unlink()
    assert library.get("red-square.jpg").copied
    assert library.preview("red-square.jpg", width=32)[8:12] == b"WEBP"


def test_a_file_that_is_named_twice_is_one_asset(library: opsin.Library, photos: Path) -> None:
    path = photos / "red-square.jpg"
    assert {outcome.status for outcome in library.add(path, path, path)} <= {"added", "known", "unchanged"}
    assert library.count() == 1


def test_the_threshold_of_an_asset_stays_when_it_is_added_again(library: opsin.Library) -> None:
    data = jpeg_bytes(make_picture("red", "bar"))
    library.add(data, auto_tag=0.999)
    library.add(data)
    counts = {entry.label: entry.count for entry in library.tags()}
    shown = [tag.label for tag in next(library.list()).tags]
    assert sorted(counts) == sorted(shown)


def test_what_is_said_of_an_unchanged_file_is_stored(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    again = library.add(photos, owner="ann", tags=["Keeper"], caption="ours")
    assert statuses(again) == ["unchanged"] * 6
    asset = library.get("red-square.jpg")
    assert (asset.owner, asset.caption) == ("ann", "ours")
    assert "keeper" in [tag.label for tag in asset.tags]


def test_a_copied_asset_stays_copied_whatever_becomes_of_its_file(library: opsin.Library, photos: Path) -> None:
    path = photos / "red-square.jpg"
    library.add(path, copy=True)
    path.touch()
    library.add(path)
    assert library.get("red-square.jpg").copied
    path.write_bytes(jpeg_bytes(make_picture("blue", "ring", 80)))
    library.add(path)
    path.unlink()
    asset = library.get("red-square.jpg")
    assert asset.copied
    assert library.preview(asset.id, width=32)[8:12] == b"WEBP"


def test_a_fault_of_ours_ends_the_call_instead_of_hanging_it(
    library: opsin.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("opsin.services.assets.ingest.analyse", fault)
    folder = tmp_path / "copies"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg_bytes(make_picture("purple")))
    with pytest.raises(RuntimeError, match="a fault"):
        library.add(folder)
