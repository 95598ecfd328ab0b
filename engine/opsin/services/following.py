"""Assets follow their pictures: what becomes of an asset whose file was renamed, replaced or overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.ids import now
from opsin.errors import Refused
from opsin.intake.places import Places
from opsin.services.analyse import digest


def moved_from(others: Iterable[AssetRow], arriving: Mapping[str, bytes], limit: int) -> AssetRow | None:
    """Return one of these assets whose picture is no longer where it was, if there is one.

    ``arriving`` are the pictures, by location, that are known to be at their places now; a file that looks otherwise
    than when it was added is read, at most ``limit`` bytes. Where nobody can say, the picture counts as still there.
    """
    places = Places()
    return next((each for each in others if not each.copied and not _is_there(each, arriving, places, limit)), None)


def displace(connection: Connection, here: AssetRow) -> None:
    """Take an asset's place from it, as another picture is there now: it has vanished, unless its bytes were copied."""
    gone = {} if here.copied else {"vanished_at": here.vanished_at or now()}
    assets.change(connection, here.row, location=f"overwritten:{here.location}#{here.id}", **gone)


def _is_there(row: AssetRow, arriving: Mapping[str, bytes], places: Places, limit: int) -> bool:
    if row.location in arriving:
        return arriving[row.location] == row.sha256
    try:
        found = places.look(row.location)
        if found is None:
            return False
        same = (found.size, found.mtime_ns, found.etag) == (row.size, row.mtime_ns, row.etag)
        return same or digest(found.read(limit)) == row.sha256
    except Refused:
        return True
