"""Makes the pictures of any number of callers durable in one transaction, then searchable; only then they are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from sqlalchemy import Connection

from opsin.catalogue import assets, contents, features
from opsin.catalogue.assets import AssetRow, NewAsset
from opsin.errors import OpsinError, PluginError, Refused, Taken
from opsin.model import EventKind, Report, Tag
from opsin.services import checked, chosen, facts
from opsin.services.analyse import Analysed, analyse, digest, judged_anew
from opsin.services.events import Happened, change, of_labels, of_searches, tell
from opsin.services.following import Following, displace
from opsin.services.tagging import joined, store, tags_of
from opsin.services.views import AssetView, asset_view
from opsin.services.workspace import Workspace

if TYPE_CHECKING:
    from opsin.intake.sources import Source

AddStatus = Literal[
    "added",
    "known",
    "unchanged",
    "copied",
    "moved",
    "changed",
    "returned",
    "refused",
    "failed",
    "vanished",
    "unreachable",
]


class AddOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of every picture of one call. ``auto_tag`` is the threshold of its tags, None = as set.

    ``checksum``: what looks unchanged by its size and time is read, too, and so are the copies of what is copied.
    ``categorizers`` are the ids of those that are asked, all where none is named.
    ``public_id`` is the name of the one picture that comes: what has it becomes this picture, unless ``overwrite`` is
    False.
    """

    owner: str | None = None
    tags: tuple[str, ...] = ()
    caption: str | None = None
    context: Mapping[str, Any] | None = None
    copy: bool = False
    checksum: bool = False
    auto_tag: float | None = None
    categorizers: tuple[str, ...] = ()
    public_id: str | None = None
    overwrite: bool = True

    def __post_init__(self) -> None:
        """Check what callers gave.

        :raises UsageError: naming the option that makes no sense.
        """
        checked.said(self.owner, self.caption, self.context)
        if self.auto_tag is not None:
            checked.share(self.auto_tag, "auto_tag")
        if self.public_id is not None:
            checked.public_id(self.public_id)

    @property
    def say_something(self) -> bool:
        """Whether something is said of each picture that an unchanged one has to be told, too."""
        spoken = self.owner or self.tags or self.caption or self.context or self.public_id
        return bool(spoken) or self.auto_tag is not None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something was not done. ``limit`` names the setting that was passed, if one was.

    ``after``: the seconds after which a plugin that is out of use is tried again.
    """

    code: str
    title: str
    message: str
    limit: str | None = None
    after: float | None = None


class Added(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one source, or of one asset whose picture is not there any more.

    ``source`` is its name, ``location`` its path or address, "" for bytes.
    ``known``: a new name for bytes that were here already; ``unchanged``: the same bytes under the same name;
    ``copied``: the same, of which the library had no copy, or a damaged one; ``moved``: its file was elsewhere before;
    ``changed``: other bytes than before; ``returned``: it had vanished, or was deleted, and is back; ``refused``: the
    picture's fault; ``failed``: a plugin's; ``vanished``: its file is gone; ``unreachable``: ``source`` is a folder that is empty or missing as a whole, with
    assets that are left as they are. ``replaced`` is the id of the asset whose picture was overwritten by this one.
    ``failed_reports`` names the categorizers that failed on a picture that was looked at, with the reason: the picture is
    here, and lacks what they would have said.
    """

    source: str
    location: str = ""
    status: AddStatus
    id: str | None = None
    asset: AssetView | None = None
    problem: Problem | None = None
    replaced: str | None = None
    failed_reports: Mapping[str, str] = {}


class Prepared(msgspec.Struct, frozen=True):
    """One source, ready to commit. ``analysed`` is None where the content was known already.

    ``data`` is None where the source was not even read, because its asset is here and it looks unchanged. ``copied``: the
    content was known, and the library had no copy of it, or a damaged one.
    """

    source: Source
    sha256: bytes
    data: bytes | None
    analysed: Analysed | None
    copied: bool = False


class Batch(msgspec.Struct, frozen=True):
    """Pictures of one caller, ready to commit in this order, and what is said of them."""

    prepared: Sequence[Prepared]
    options: AddOptions
    following: Following


_EVENTS: Mapping[AddStatus, EventKind] = {
    "added": "asset.added",
    "known": "asset.added",
    "changed": "asset.replaced",
    "moved": "asset.moved",
    "returned": "asset.returned",
}
_SAID = frozenset({"owner", "caption", "context", "auto_tag", "public_id"})


def write(workspace: Workspace, batches: Sequence[Batch]) -> list[Group]:
    """Store batches in one transaction; they are durable when it returns, and searchable after :func:`answer`.

    Where a vocabulary changed since a picture was looked at, the categorizers are asked again.

    :raises LibraryError: where the catalogue cannot be written; then nothing of them is stored.
    """
    groups: list[Group] | None = None
    while groups is None:
        groups = _write(workspace, [_brought_up(workspace, batch) for batch in batches])
    return groups


def _brought_up(workspace: Workspace, batch: Batch) -> Batch:
    """Return a batch with what the categorizers of the present vocabularies say."""
    edition = workspace.edition
    prepared = [
        msgspec.structs.replace(each, analysed=judged_anew(workspace, each.analysed))
        if each.analysed is not None and each.analysed.edition != edition
        else each
        for each in batch.prepared
    ]
    return msgspec.structs.replace(batch, prepared=prepared)


def _write(workspace: Workspace, batches: Sequence[Batch]) -> list[Group] | None:
    """Store batches; None, and nothing is stored, where a vocabulary changed just now."""
    groups: list[Group] = []
    # read before the transaction begins: it may load the encoder
    searches = workspace.matcher.table() if workspace.outbox.wants("search.matched") else None
    with workspace.catalogue.write() as connection:
        analysed = [prepared.analysed for batch in batches for prepared in batch.prepared]
        if any(each is not None and each.edition != workspace.edition for each in analysed):
            return None
        for batch in batches:
            groups.append(Group(workspace, connection, batch))
            groups[-1].store()
        given = {row: tags for group in groups for row, tags in group.given.items()}
        happened = [each for group in groups for each in group.happened]
        if searches is not None:
            happened += of_searches(searches, connection, happened, given)
        tell(workspace, connection, happened, given)
        rows = assets.by_rows(connection, given)
        views = {number: asset_view(row, given[number]) for number, row in rows.items()}
    for group in groups:
        group.views = views
    return groups


def answer(workspace: Workspace, groups: Sequence[Group]) -> list[list[Added]]:
    """Make what was stored searchable, and return what became of each picture of each group, in order."""
    workspace.upsert([vector for group in groups for vector in group.vectors])
    return [
        [
            Added(
                source=prepared.source.name,
                location=prepared.source.place,
                status=status,
                id=group.views[row].id,
                asset=group.views[row],
                replaced=group.replaced.get(prepared.source.location),
                failed_reports=group.failed_reports.get(prepared.sha256, {}),
            )
            for prepared, (status, row) in zip(group.batch.prepared, group.named, strict=True)
        ]
        for group in groups
    ]


class Group:
    """Writes one batch inside a transaction, and collects what follows it."""

    def __init__(self, workspace: Workspace, connection: Connection, batch: Batch) -> None:
        self.batch = batch
        self._workspace = workspace
        self._connection = connection
        self._options = batch.options
        self._following = batch.following
        self._ids: dict[bytes, int] = {}
        self._here: dict[str, AssetRow] = {}
        self._arriving: dict[str, bytes] = {}
        self.replaced: dict[str, str] = {}
        self._new: set[int] = set()
        self._changed: set[int] = set()
        self._restored: set[int] = set()
        self.vectors: list[tuple[int, np.ndarray[Any, Any]]] = []
        self.given: dict[int, list[Tag]] = {}
        self.views: Mapping[int, AssetView] = {}
        """Every asset of the transaction, by row."""
        self.named: list[tuple[AddStatus, int]] = []
        """The status and the asset row of each picture."""
        self.happened: list[Happened] = []
        self.failed_reports: dict[bytes, dict[str, str]] = {}
        """The categorizers that failed on each content, by its digest."""

    def store(self) -> None:
        """Write the pictures."""
        connection, group = self._connection, self.batch.prepared
        for prepared in group:
            # An asset of the same content may have been erased since its copy was made durable, and the copy with it.
            if prepared.data is not None and is_copied(prepared.source, self._options):
                self._workspace.blobs.keep(prepared.sha256, prepared.data)
        self._ids = contents.find_all(connection, {prepared.sha256 for prepared in group})
        self._arriving = {prepared.source.location: prepared.sha256 for prepared in group}
        self._here = assets.at_locations(connection, set(self._arriving))
        older = contents.reports_of(connection, set(self._ids.values()))
        older |= self._complete(group, older)
        fresh = self._store_contents(group)
        reports = older | {number: list(analysed.analysis.reports) for number, analysed in fresh.items()}
        self.failed_reports = {digest: facts.failed(reports[number]) for digest, number in self._ids.items()}
        named = self._store_names(group, set(older))
        self.happened += [
            Happened("asset.restored" if row in self._restored else _EVENTS[status], row)
            for status, row in named
            if status in _EVENTS
        ]
        self._store_tags(group, named, reports)
        self.named = named

    def _store_tags(
        self, group: Sequence[Prepared], named: Sequence[tuple[AddStatus, int]], reports: Mapping[int, list[Report]]
    ) -> None:
        """Work out the tags of each asset, and write those of the assets that are new, changed or spoken of."""
        rows = {row for _, row in named}
        assets.set_person_tags(self._connection, rows, dict.fromkeys(self._options.tags, True))
        said = assets.person_tags(self._connection, rows - self._new)
        for prepared, (_, row) in zip(group, named, strict=True):
            here = self._here.get(prepared.source.location)
            auto_tag = self._options.auto_tag if self._options.auto_tag is not None or here is None else here.auto_tag
            people = said.get(row, dict.fromkeys(self._options.tags, True))
            self.given[row] = joined(self._workspace, reports[self._ids[prepared.sha256]], auto_tag, people)
        concerned = rows if self._options.tags else rows & (self._new | self._changed)
        if concerned:
            had = store(self._connection, {row: self.given[row] for row in concerned}, new=self._new)
            changes = {row: change(had[row], self.given[row]) for row in concerned - self._new - self._restored}
            self.happened += of_labels("asset.tagged", changes)

    def _complete(self, group: Sequence[Prepared], older: Mapping[int, Sequence[Report]]) -> dict[int, list[Report]]:
        """Write what was asked about contents that others, who asked less, stored meanwhile; return all their reports."""
        gained: dict[int, list[Report]] = {}
        for prepared in group:
            number = self._ids.get(prepared.sha256)
            if number is not None and prepared.analysed is not None:
                more = chosen.lacking(older[number], prepared.analysed.analysis.reports)
                gained |= {number: more} if more else {}
        if not gained:
            return {}
        contents.put_reports(self._connection, gained)
        rows = [row for each in assets.of_contents(self._connection, gained).values() for row in each]
        after = tags_of(self._workspace, self._connection, rows)
        had = store(self._connection, after)
        self.happened += of_labels("asset.reanalysed", {row: change(had[row], each) for row, each in after.items()})
        self.given |= after
        return contents.reports_of(self._connection, gained)

    def _store_contents(self, group: Sequence[Prepared]) -> dict[int, Analysed]:
        """Write the contents that are new and return them by their ids."""
        connection = self._connection
        new: dict[bytes, Analysed] = {}
        for prepared in group:
            if prepared.analysed is not None:
                former = new.setdefault(prepared.sha256, prepared.analysed)
                new[prepared.sha256] = former.with_more(prepared.analysed)
            elif prepared.sha256 not in self._ids and prepared.sha256 not in new:
                # It was erased since it was found to be known.
                data = prepared.data or prepared.source.read(self._workspace.settings.decode.max_bytes)
                new[prepared.sha256] = analyse(self._workspace, data, self._options.categorizers)
        new = {digest: analysed for digest, analysed in new.items() if digest not in self._ids}
        numbers = contents.add(connection, [analysed.content for analysed in new.values()])
        self._ids.update(zip(new, numbers, strict=True))
        fresh = dict(zip(numbers, new.values(), strict=True))
        found = {number: analysed.analysis.features for number, analysed in fresh.items()}
        frames = [
            (number, place, frame["embedding"])
            for number, mine in found.items()
            for place, frame in zip(fresh[number].frames, mine, strict=True)
        ]
        rows = contents.put_embeddings(connection, frames, self._workspace.encoder)
        self.vectors = [(row, vector) for row, (_, _, vector) in zip(rows, frames, strict=True)]
        features.put(connection, found, self._workspace.feature_kinds)
        contents.put_reports(connection, {number: each.analysis.reports for number, each in fresh.items()})
        return fresh

    def _store_names(self, group: Sequence[Prepared], known: set[int]) -> list[tuple[AddStatus, int]]:
        """Write the names and return the status and the row of each; ``known`` are the contents that were here."""
        new: dict[str, tuple[int, NewAsset]] = {}
        statuses: list[AddStatus] = []
        for prepared in group:
            source, number = prepared.source, self._ids[prepared.sha256]
            status: AddStatus = "known" if number in known else "added"
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
            known.add(number)
            statuses.append(status)
        rows = dict(zip(new, assets.add(self._connection, list(new.values())), strict=True))
        self._new = set(rows.values())
        rows |= {location: here.row for location, here in self._here.items()}
        return [(status, rows[prepared.source.location]) for status, prepared in zip(statuses, group, strict=True)]

    def _called(self, source: Source, number: int) -> AssetRow | None:
        """Return the asset that is at the place of ``source``, or that has the public id that it comes with.

        :raises Taken: where these are two, it has another public id, or a picture that is not to be overwritten.
        """
        here, name = self._here.get(source.location), self._options.public_id
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
        self._here[source.location] = named
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
            del self._here[source.location]
            if not gone:
                self.replaced[source.location] = here.id
                self.happened += [] if here.copied else [Happened("asset.vanished", here.row)]
            here = None
        if origin is None:
            return ("changed" if here is not None else status), here
        self._here.pop(origin.location, None)
        self._here[source.location] = origin
        return "moved", origin

    def _rename(self, here: AssetRow, content_id: int, new: NewAsset, data: bytes | None) -> None:
        """Give an existing asset its new place or bytes; what was said of it before stays unless said anew.

        A copied asset stays a copied one: its new bytes are copied, too.
        """
        if here.copied and not new.copied:
            if data is not None:
                self._workspace.blobs.put(digest(data), data)
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
            self._restored.add(here.row)
        if changed.keys() & {"content_id", "auto_tag", "deleted_at"}:
            self._changed.add(here.row)


def is_copied(source: Source, options: AddOptions) -> bool:
    """Return whether a source's bytes are kept. Files and buckets are referenced where they are; what has no lasting place is copied."""
    return options.copy or source.kind not in {"file", "object"}


def _status_of_same(here: AssetRow, *, copied: bool) -> AddStatus:
    """Return what became of an asset whose bytes were added again; ``copied``: there was no sound copy of them."""
    if here.vanished_at is not None or here.deleted_at is not None:
        return "returned"
    return "copied" if copied else "unchanged"


def failed(source: Source, error: OpsinError) -> Added:
    """Return what became of a picture that cannot be committed."""
    return Added(source=source.name, location=source.place, status=fault(error), problem=problem(error))


def fault(error: OpsinError) -> Literal["refused", "failed"]:
    """Return whose fault an error is: the picture's, which is refused, or a plugin's, which failed."""
    return "refused" if isinstance(error, Refused) else "failed"


def problem(error: OpsinError) -> Problem:
    """Return an error as a value."""
    after = error.after if isinstance(error, PluginError) else None
    return Problem(code=error.code, title=error.title, message=str(error), limit=error.limit, after=after)
