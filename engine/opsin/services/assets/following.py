"""Assets follow their pictures: what becomes of an asset whose file was renamed, replaced or overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.ids import now
from opsin.errors import Refused
from opsin.intake.places import Places
from opsin.services.looking.analyse import digest


class Following:
    """One call's memory of which pictures are still where they were, so that each place is looked at once."""

    def __init__(self, limit: int) -> None:
        """Read at most ``limit`` bytes of a file that looks otherwise than when it was added."""
        self._limit = limit
        self._places = Places()
        self._there: set[tuple[str, bytes]] = set()

    def moved_from(self, others: Iterable[AssetRow], arriving: Mapping[str, bytes]) -> AssetRow | None:
        """Return one of these assets whose picture is no longer where it was, if there is one.

        ``arriving`` are the pictures, by location, that are known to be at their places now. Where nobody can say, the
        picture counts as still there.
        """
        for each in others:
            if each.copied or (each.location, each.sha256) in self._there:
                continue
            if not self._is_there(each, arriving):
                return each
            self._there.add((each.location, each.sha256))
        return None

    def _is_there(self, row: AssetRow, arriving: Mapping[str, bytes]) -> bool:
        if row.location in arriving:
            return arriving[row.location] == row.sha256
        try:
            found = self._places.look(row.location)
            if found is None:
                return False
            same = (found.size, found.mtime_ns, found.etag) == (row.size, row.mtime_ns, row.etag)
            return same or digest(found.read(self._limit)) == row.sha256
        except Refused:
            return True


def displace(connection: Connection, here: AssetRow) -> None:
    """Take an asset's place from it, as another picture is there now: it has vanished, unless its bytes were copied."""
    gone = {} if here.copied else {"vanished_at": here.vanished_at or now()}
    assets.change(connection, here.row, location=f"overwritten:{here.location}#{here.id}", **gone)
