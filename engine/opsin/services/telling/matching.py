"""The saved searches of an open library in memory, kept in step with those that are stored."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from opsin.catalogue import saved
from opsin.catalogue.saved import SavedRow
from opsin.fusion.rare import Bar
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import check_of, owner_of, parse
from opsin.services.finding.search import labels_named, scale_of
from opsin.services.telling.comparing import Known, Table
from opsin.services.telling.saved_parts import parts_of, texts_of


class Matcher:
    """Compares new pictures with the saved searches of one library, which are read when they are first needed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.changing = threading.Lock()
        """Held by who stores a change of one and then says so, so that two changes come in their order."""
        self._lock = threading.Lock()
        self._known: dict[str, Known] | None = None
        self._table: Table | None = None
        self._bar: Bar | None = None
        self._edition = workspace.edition

    def close(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._known = self._table = None

    def put(self, row: SavedRow) -> None:
        """Take a saved search that was stored; it takes the place of the former of its id."""
        with self._lock:
            if self._known is not None:
                self._known |= self._read([row])
                self._table = None

    def drop(self, identity: str) -> None:
        """Leave out a saved search that was deleted."""
        with self._lock:
            if self._known is not None:
                self._known.pop(identity, None)
                self._table = None

    def table(self) -> Table:
        """Return all saved searches, ready to be compared with. What is not read yet is read, which may load the encoder."""
        with self._lock:
            if self._known is None or self._outdated():
                self._edition = self._workspace.edition
                with self._workspace.catalogue.read() as connection:
                    rows = saved.every(connection)
                self._bar = self._latest_bar() if rows else None
                self._known, self._table = self._read(rows), None
            if self._table is None:
                self._table = Table(list(self._known.values()))
            return self._table

    def _outdated(self) -> bool:
        """Return whether what their words mean, or where they are cut off, may have changed since they were read."""
        if self._edition != self._workspace.edition:
            return True
        return bool(self._known) and self._bar is not self._latest_bar()

    def _latest_bar(self) -> Bar | None:
        """Return the library's own cut-off, which moves as the library grows, where its encoder brings none."""
        return self._workspace.unmeasured.bar(self._workspace.ready().encoder, self._workspace.index)

    def _read(self, rows: Sequence[SavedRow]) -> dict[str, Known]:
        """Work out how pictures are compared with these."""
        if not rows:
            return {}
        queries = [np.frombuffer(row.vector, "<f4") for row in rows]
        parts = [parts_of(row) for row in rows]
        scale = scale_of(self._workspace, np.stack(queries), parts)
        least = scale.least(np.array([row.cutoff for row in rows], np.float32))
        label_of = self._workspace.meaning.label_of
        texts = {row.conditions: texts_of(row) for row in rows}
        different = {told: [parse(each, label_of) for each in given] for told, given in texts.items()}
        checks = {told: tuple(map(check_of, conditions)) for told, conditions in different.items()}
        return {
            row.id: Known(
                id=row.id,
                name=row.name,
                owner=owner_of(different[row.conditions]),
                conditions=row.conditions,
                checks=checks[row.conditions],
                names=labels_named(self._workspace, parts[place]),
                query=queries[place],
                scale=scale.at(np.array([place])),
                least=float(least[place]),
            )
            for place, row in enumerate(rows)
        }


def to_compare(workspace: Workspace) -> Table | None:
    """Return the saved searches that new pictures are compared with; None where no webhook wants to hear of matches."""
    return workspace.part(Matcher).table() if workspace.outbox.wants("search.matched") else None
