"""Gives pictures their assets: a new one each, or one that is here, with its new place, name or bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow, NewAsset
from opsin.catalogue.blobs import Blobs
from opsin.errors import Taken
from opsin.services.assets.added import AddStatus, Batch, is_copied
from opsin.services.assets.following import displace
from opsin.services.looking.analyse import digest
from opsin.services.telling.events import Happened

if TYPE_CHECKING:
    from opsin.intake.sources import Source

_SAID = frozenset({"owner", "caption", "context", "auto_tag", "public_id"})


class Names:
    """Writes the assets of one batch inside a transaction.

    ``here``: the assets that are at the places of its pictures, by location. When all is stored, ``new``, ``changed`` and
    ``restored`` are the rows of those that were made, that have other bytes or another threshold, or that came back after
    they were deleted; ``replaced`` is the id of the asset whose place a picture took, by its location.
    """

    def __init__(self, connection: Connection, blobs: Blobs, batch: Batch) -> None:
        self._connection = connection
        self._blobs = blobs
        self._prepared = batch.prepared
        self._options = batch.options
        self._following = batch.following
        self._arriving = {prepared.source.location: prepared.sha256 for prepared in batch.prepared}
        self.here = assets.at_locations(connection, set(self._arriving))
        self.new: set[int] = set()
        self.changed: set[int] = set()
        self.restored: set[int] = set()
        self.replaced: dict[str, str] = {}
        self.happened: list[Happened] = []

    def store(self, ids: Mapping[bytes, int], known: Collection[int]) -> list[tuple[AddStatus, int]]:
        """Write the names and return the status and the row of each picture.

        ``ids`` are the contents by their digests, ``known`` those that were here before.

        :raises Taken: where a public id belongs to another asset.
        """
        stored = set(known)
        new: dict[str, tuple[int, NewAsset]] = {}
        statuses: list[AddStatus] = []
        for prepared in self._prepared:
            source, number = prepared.source, ids[prepared.sha256]
            status: AddStatus = "known" if number in stored else "added"
            here = self._called(source, number)
            same = here is not None and here.content_id == number
            named = (
                here is not None and here.deleted_at is None and here.public_id == self._options.public_id is not None
            )
            if here is not None and same:
                lacking = prepared.copied or (not here.copied and is_copied(source, self._options))
                status = _status_of_same(here, copied=lacking)
            elif named:
                status = "changed"
            else:
                status, here = self._follow(source, number, here, status)
            if here is not None:
                self._rename(here, number, self._asset(source), prepared.data)
            else:
                new[source.location] = number, self._asset(source)
            stored.add(number)
            statuses.append(status)
        rows = dict(zip(new, assets.add(self._connection, list(new.values())), strict=True))
        self.new = set(rows.values())
        rows |= {location: here.row for location, here in self.here.items()}
        return [
            (status, rows[prepared.source.location]) for status, prepared in zip(statuses, self._prepared, strict=True)
        ]

    def _called(self, source: Source, number: int) -> AssetRow | None:
        """Return the asset that is at the place of ``source``, or that has the public id that it comes with.

        :raises Taken: where these are two, it has another public id, or a picture that is not to be overwritten.
        """
        here, name = self.here.get(source.location), self._options.public_id
        if name is not None and here is not None and here.deleted_at is None and here.public_id not in {None, name}:
            msg = f"{source.name} is the asset {here.id}, called {here.public_id!r}: change its public_id instead"
            raise Taken(msg)
        named = assets.by_public_id(self._connection, name) if name is not None else None
        if named is None:
            return here
        if here is not None and here.row != named.row:
            msg = (
                f"{source.name} is the asset {here.id} already, and {name!r} is another one: change its public_id first"
            )
            raise Taken(msg)
        if named.content_id != number and not self._options.overwrite:
            msg = f"the asset {named.id} is called {name!r} and holds another picture: choose another public_id, or overwrite it"
            raise Taken(msg)
        self.here[source.location] = named
        return named

    def _asset(self, source: Source) -> NewAsset:
        options = self._options
        return NewAsset(
            name=source.name,
            location=source.location,
            copied=is_copied(source, options),
            size=source.size,
            mtime_ns=source.mtime_ns,
            etag=source.etag,
            owner=options.owner,
            caption=options.caption,
            context=msgspec.json.encode(options.context).decode() if options.context else None,
            auto_tag=options.auto_tag,
            public_id=options.public_id,
        )

    def _follow(
        self, source: Source, number: int, here: AssetRow | None, status: AddStatus
    ) -> tuple[AddStatus, AssetRow | None]:
        """Return the asset of a picture that was not at this place before, None where it needs a new one.

        ``here`` is the asset that was: new bytes are its next version, but a picture that is known under another name has
        overwritten it, and one that comes after it had vanished is another one.
        """
        others = [] if status == "added" else assets.of_content(self._connection, number)
        others = [other for other in others if here is None or other.row != here.row]
        lasting = source.kind in {"file", "object"}
        origin = self._following.moved_from(others, self._arriving) if lasting else None
        gone = here is not None and (here.vanished_at is not None or here.deleted_at is not None)
        if here is not None and (others or gone):
            displace(self._connection, here)
            del self.here[source.location]
            if not gone:
                self.replaced[source.location] = here.id
                self.happened += [] if here.copied else [Happened("asset.vanished", here.row)]
            here = None
        if origin is None:
            return ("changed" if here is not None else status), here
        self.here.pop(origin.location, None)
        self.here[source.location] = origin
        return "moved", origin

    def _rename(self, here: AssetRow, content_id: int, new: NewAsset, data: bytes | None) -> None:
        """Give an existing asset its new place or bytes; what was said of it before stays unless said anew.

        A copied asset stays a copied one: its new bytes are copied, too.
        """
        if here.copied and not new.copied:
            if data is not None:
                self._blobs.put(digest(data), data)
            new = msgspec.structs.replace(new, copied=True)
        said = {name: value for name, value in msgspec.structs.asdict(new).items() if value is not None}
        said |= {"content_id": content_id, "vanished_at": None, "deleted_at": None}
        said["version"] = here.version + (here.content_id != content_id)
        changed = {name: value for name, value in said.items() if getattr(here, name) != value}
        if changed:
            assets.change(self._connection, here.row, **changed)
        if anew := sorted(changed.keys() & _SAID):
            self.happened.append(Happened("asset.updated", here.row, {"changed": anew}))
        if here.deleted_at is not None:
            self.restored.add(here.row)
        if changed.keys() & {"content_id", "auto_tag", "deleted_at"}:
            self.changed.add(here.row)


def _status_of_same(here: AssetRow, *, copied: bool) -> AddStatus:
    """Return what became of an asset whose bytes were added again; ``copied``: there was no sound copy of them."""
    if here.vanished_at is not None or here.deleted_at is not None:
        return "returned"
    return "copied" if copied else "unchanged"
