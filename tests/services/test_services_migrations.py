"""A library of each earlier schema is brought up to date with all that it holds, or is left as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsin.catalogue import database
from opsin.errors import LibraryError
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.services.winding import wind_back
else:
    from winding import wind_back

_OLDER = sorted(
    path.name[:4]
    for path in Path(database.__file__).with_name("migrations").joinpath("versions").glob("0*.py")
    if path.name[:4] != database.HEAD
)


def _old(make_library: MakeLibrary, revision: str) -> Path:
    """Return the catalogue of a library with two pictures, one of which a person tagged, as ``revision`` had it."""
    library = make_library()
    for colour in ("red", "blue"):
        library.add(jpeg_bytes(make_picture(colour, "circle", 60)), owner=colour)
    (red,) = library.list(where=["owner=red"])
    library.tag(red.id, add=["holiday"])
    library.close()
    catalogue = library.path / "catalogue.sqlite"
    wind_back(catalogue, revision)
    return catalogue


def _revision(catalogue: Path) -> str:
    with closing(sqlite3.connect(catalogue)) as old:
        return str(old.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _is_whole(make_library: MakeLibrary) -> bool:
    library = make_library()
    found = library.search("red", everything=True).hits
    library.add(jpeg_bytes(make_picture("green", "circle", 60)), owner="green")
    return (
        found[0].asset.owner == "red"
        and library.count(where=["tag=holiday", "owner=red"]) == 1
        and library.count(where=["tag=blue", "owner=blue"]) == 1
        and library.count() == 3
    )


@pytest.mark.parametrize("revision", _OLDER)
def test_a_library_of_an_earlier_schema_is_upgraded_with_all_that_it_holds(
    make_library: MakeLibrary, revision: str
) -> None:
    catalogue = _old(make_library, revision)
    assert _revision(catalogue) == revision
    assert _is_whole(make_library)
    assert _revision(catalogue) == database.HEAD


@pytest.mark.parametrize("revision", _OLDER)
def test_an_upgrade_that_fails_in_its_last_step_leaves_the_library_as_it_was(
    make_library: MakeLibrary, revision: str
) -> None:
    catalogue = _old(make_library, revision)
    with closing(sqlite3.connect(catalogue)) as old, old:
        old.execute("CREATE TABLE idempotency (in_the_way)")
    with closing(sqlite3.connect(catalogue)) as old:
        before = list(old.iterdump())
    with pytest.raises(
        LibraryError, match=f"from schema {revision} to {database.HEAD} and is as it was .*already exists"
    ):
        make_library()
    with closing(sqlite3.connect(catalogue)) as old, old:
        assert list(old.iterdump()) == before
        old.execute("DROP TABLE idempotency")
    assert _is_whole(make_library)


def test_a_library_of_a_later_opsin_is_refused_with_what_to_do(make_library: MakeLibrary) -> None:
    library = make_library()
    library.close()
    with closing(sqlite3.connect(library.path / "catalogue.sqlite")) as catalogue, catalogue:
        catalogue.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LibraryError, match=r"9999.*upgrade Opsin"):
        make_library()
