"""Makes the pictures of any number of callers durable in one transaction, then searchable; only then they are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection

from opsin.catalogue import assets, contents, features
from opsin.model import EventKind, Report, Tag
from opsin.services.assets.added import Added, AddStatus, Batch, Prepared, is_copied
from opsin.services.assets.naming import Names
from opsin.services.base.tagging import joined, store, tags_of
from opsin.services.base.workspace import Workspace
from opsin.services.finding.views import AssetView, asset_view
from opsin.services.looking import chosen, facts
from opsin.services.looking.analyse import Analysed, analyse, judged_anew
from opsin.services.telling.events import Happened, change, of_labels, of_searches, tell
from opsin.services.telling.matching import to_compare

_EVENTS: Mapping[AddStatus, EventKind] = {
    "added": "asset.added",
    "known": "asset.added",
    "changed": "asset.replaced",
    "moved": "asset.moved",
    "returned": "asset.returned",
}


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
    searches = to_compare(workspace)
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
    workspace.indexed.upsert([vector for group in groups for vector in group.vectors])
    return [
        [
            Added(
                source=prepared.source.name,
                location=prepared.source.place,
                status=status,
                id=group.views[row].id,
                asset=group.views[row],
                replaced=group.names.replaced.get(prepared.source.location),
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
        self._ids: dict[bytes, int] = {}
        self.names = Names(connection, workspace.blobs, batch)
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
        older = contents.reports_of(connection, set(self._ids.values()))
        older |= self._complete(group, older)
        fresh = self._store_contents(group)
        reports = older | {number: list(analysed.analysis.reports) for number, analysed in fresh.items()}
        self.failed_reports = {digest: facts.failed(reports[number]) for digest, number in self._ids.items()}
        named = self.names.store(self._ids, older)
        self.happened += self.names.happened
        self.happened += [
            Happened("asset.restored" if row in self.names.restored else _EVENTS[status], row)
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
        said = assets.person_tags(self._connection, rows - self.names.new)
        for prepared, (_, row) in zip(group, named, strict=True):
            here = self.names.here.get(prepared.source.location)
            auto_tag = self._options.auto_tag if self._options.auto_tag is not None or here is None else here.auto_tag
            people = said.get(row, dict.fromkeys(self._options.tags, True))
            self.given[row] = joined(self._workspace, reports[self._ids[prepared.sha256]], auto_tag, people)
        concerned = rows if self._options.tags else rows & (self.names.new | self.names.changed)
        if concerned:
            had = store(self._connection, {row: self.given[row] for row in concerned}, new=self.names.new)
            changes = {
                row: change(had[row], self.given[row]) for row in concerned - self.names.new - self.names.restored
            }
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
