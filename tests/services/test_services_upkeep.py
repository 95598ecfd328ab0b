"""The index and the bitmaps follow from the catalogue."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import opsin
from opsin.catalogue import contents
from opsin.catalogue.database import HEAD
from opsin.errors import LibraryError, LibraryMissing, SettingError, UnknownName

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary


def test_a_missing_or_damaged_snapshot_is_made_again(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library()
    library.add(photos)
    library.close()
    snapshot = library.path / "index.opsin"
    data = bytearray(snapshot.read_bytes())
    data[len(data) // 2] ^= 0xFF
    snapshot.write_bytes(data)
    with opsin.open(library.path) as again:
        assert again.index.status().indexed == 6
        assert not again.index.verify()
    snapshot.unlink()
    with opsin.open(library.path) as again:
        assert again.search("red", everything=True).hits[0].asset.name.startswith("red")


def test_rebuilding_gives_the_same_index_and_tags(library: opsin.Library, photos: Path) -> None:
    library.add(photos)
    before = library.tags(), [hit.asset.name for hit in library.search("red", everything=True).hits]
    assert library.index.rebuild() == 6
    assert (library.tags(), [hit.asset.name for hit in library.search("red", everything=True).hits]) == before
    assert not library.index.verify()


def test_a_part_that_cannot_be_closed_keeps_the_others_from_nothing(
    make_library: MakeLibrary, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_library()
    library.add(photos)

    def fail() -> None:
        raise RuntimeError("it does not end")

    with monkeypatch.context() as patch:
        patch.setattr(library._workspace.decoder, "close", fail)
        decoder = library._workspace.decoder
        with pytest.raises(RuntimeError, match="it does not end"):
            library.close()
    decoder.close()
    assert library._workspace.closed
    with opsin.open(library.path) as again:
        assert again.count() == 6


def test_a_library_is_not_made_twice_or_over_a_file(make_library: MakeLibrary, tmp_path: Path) -> None:
    library = make_library()
    with pytest.raises(LibraryError, match="already"):
        opsin.init(library.path, encoder="fake")
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="is a file"):
        opsin.init(tmp_path / "file")


def test_a_folder_of_pictures_is_not_made_a_library(photos: Path) -> None:
    with pytest.raises(LibraryError, match=r"blue-circle\.jpg.*folder of its own.*opsin-library"):
        opsin.init(photos, encoder="fake")
    assert len(list(photos.iterdir())) == 6


def test_a_folder_with_nothing_but_hidden_files_and_what_an_attempt_left_can_become_a_library(
    make_library: MakeLibrary, tmp_path: Path
) -> None:
    root = tmp_path / "another"
    (root / "blobs").mkdir(parents=True)
    shutil.copy(make_library().path / "opsin.toml", root)
    for name in (".DS_Store", "catalogue.new", "catalogue.new-wal"):
        (root / name).write_bytes(b"left")
    opsin.init(root, encoder="fake").close()


def test_a_library_that_is_not_there_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing, match="opsin init"):
        opsin.open(tmp_path / "nothing")


def test_an_unknown_encoder_or_vocabulary_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="starter"):
        opsin.init(tmp_path / "new", encoder="no-such-encoder")
    with pytest.raises(UnknownName, match="everyday"):
        opsin.init(tmp_path / "new", encoder="starter", vocabularies=["everyday", "no-such-vocabulary"])
    assert not (tmp_path / "new").exists()


def test_a_setting_that_does_not_exist_is_named_with_its_file(make_library: MakeLibrary) -> None:
    library = make_library()
    library.close()
    (library.path / "opsin.toml").write_text("[decode]\nmax_pixel = 3\n", "utf-8")
    with pytest.raises(SettingError, match=r"opsin\.toml.*max_pixel"):
        opsin.open(library.path)


def test_the_newest_migration_is_the_schema_that_the_code_speaks() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from opsin.catalogue import database

    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_build_the_tables_that_the_code_describes(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from opsin.catalogue import Catalogue
    from opsin.catalogue.tables import metadata

    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.write() as connection:
        # The table of words is SQLite's own (FTS5), with tables of its own below it.
        plain = {"include_name": lambda name, *_: not str(name).startswith("asset_text")}
        assert compare_metadata(MigrationContext.configure(connection, opts=plain), metadata) == []
    catalogue.close()


def test_a_catalogue_of_a_newer_opsin_is_refused(tmp_path: Path) -> None:
    from sqlalchemy import text

    from opsin.catalogue import Catalogue

    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    catalogue.close()
    with pytest.raises(LibraryError, match="another version"):
        Catalogue(tmp_path / "catalogue.sqlite")


def test_a_closed_library_answers_and_writes_nothing(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library()
    library.add(photos)
    library.close()
    for call in (library.count, lambda: library.add(photos), lambda: library.tag("red-square.jpg", add=["x"])):
        with pytest.raises(LibraryError, match="closed"):
            call()


def test_a_library_stays_where_it_is_when_the_process_changes_its_folder(
    make_library: MakeLibrary, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_library().close()
    monkeypatch.chdir(tmp_path)
    with opsin.open("library") as library:
        monkeypatch.chdir(photos)
        library.add(photos, copy=True)
        library.preview("red-square.jpg", width=32)
        library.index.rebuild()
    assert not (photos / "library").exists()
    with opsin.open(tmp_path / "library") as again:
        assert again.count() == 6
        assert not again.index.verify()


def test_a_reader_takes_up_what_the_owner_adds(library: opsin.Library, photos: Path) -> None:
    with opsin.open(library.path, readonly=True) as reader:
        assert reader.search("red", everything=True).hits == ()
        library.add(photos)
        assert reader.search("red", everything=True).hits[0].asset.name.startswith("red")
        assert len(reader.similar("red-square.jpg", limit=2)) == 2
        assert not reader.index.verify()


def test_what_the_owner_adds_and_erases_while_a_reader_verifies_is_no_damage(
    library: opsin.Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(photos.iterdir())
    library.add(*paths[:3])
    changes = [(paths[3], paths[0]), (paths[4], paths[1])]
    read = contents.vectors_after

    def read_after_the_owner_wrote(connection: Any, row: int) -> Any:
        if row == 0:  # all of them, as for verifying
            new, old = changes.pop(0)
            library.add(new)
            library.delete(old.name, at_once=True)
        return read(connection, row)

    with opsin.open(library.path, readonly=True) as reader:
        assert not reader.index.verify()
        monkeypatch.setattr(contents, "vectors_after", read_after_the_owner_wrote)
        assert not reader.index.verify()
        assert changes == []


_READ = """
import sys
import opsin
from opsin.errors import LibraryError
with opsin.open(sys.argv[1], readonly=True) as library:
    assert library.search("red", everything=True).hits[0].asset.name.startswith("red")
opsin.back_up(sys.argv[2], sys.argv[1])
try:
    opsin.open(sys.argv[1])
except LibraryError as error:
    print(error)
"""


def test_a_library_on_a_disk_for_reading_only_is_read_and_backed_up(
    make_library: MakeLibrary, photos: Path, tmp_path: Path
) -> None:
    library = make_library()
    library.add(photos)
    library.close()
    assert not list(library.path.glob("*-wal"))
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77; shift; exec "$@"'
    read = [sys.executable, "-c", _READ, str(library.path), str(tmp_path / "saved.tar")]
    mounted = ["unshare", "-Urm", "sh", "-c", script, "sh", str(library.path)]
    ran = subprocess.run([*mounted, *read], capture_output=True, text=True, check=False)
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip(f"nothing can be mounted here: {ran.stderr}")  # never a failure: many CI machines forbid it
    assert ran.returncode == 0, ran.stderr
    assert "Read-only file system: mount the disk for writing" in ran.stdout
