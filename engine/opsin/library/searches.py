"""`library.searches`: queries that are kept, and that each new picture is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.services.base.workspace import Workspace
from opsin.services.finding import asked
from opsin.services.finding.query import LEAST, Part
from opsin.services.finding.search import Page
from opsin.services.telling import searches
from opsin.services.telling.searches import SavedSearch

Several = list[SavedSearch]  # said here: in the class, `list` is a method


class Searches:
    """The saved searches of one library. A new picture that matches some is told of as ``search.matched`` to webhooks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def create(
        self,
        text: str | None = None,
        *,
        like: Sequence[asked.Example] = (),
        without: Sequence[str] = (),
        where: Sequence[str] = (),
        cutoff: float = LEAST,
        name: str = "",
    ) -> SavedSearch:
        """Keep a search, as :meth:`opsin.Library.search` would make it; ``cutoff`` is the score that matches, 0..1.

        :raises UsageError: for a query, a condition or a cut-off that makes no sense.
        """
        parts = asked.parts(self._workspace.writable, text, like, without)
        return self.save(parts, where=where, cutoff=cutoff, name=name)

    def save(
        self, parts: Sequence[Part], *, where: Sequence[str] = (), cutoff: float = LEAST, name: str = ""
    ) -> SavedSearch:
        """Keep a search of any weighted mix of texts, pictures and assets; see :meth:`create`."""
        return searches.create(self._workspace.writable, parts, where=where, cutoff=cutoff, name=name)

    def list(self, *, limit: int | None = None, after: str | None = None) -> Several:
        """Return the saved searches, oldest first, those behind the one of the id ``after`` if one is given."""
        return searches.every(self._workspace, after=after, limit=limit)

    def get(self, search: str) -> SavedSearch:
        """Return one saved search.

        :raises UnknownName: where there is none of this id.
        """
        return searches.get(self._workspace, search)

    def change(
        self,
        search: str,
        *,
        parts: Sequence[Part] | None = None,
        where: Sequence[str] | None = None,
        cutoff: float | None = None,
        name: str | None = None,
    ) -> SavedSearch:
        """Change a saved search; what is None stays.

        :raises UnknownName: where there is none of this id.
        """
        return searches.change(self._workspace.writable, search, parts=parts, where=where, cutoff=cutoff, name=name)

    def delete(self, search: str) -> None:
        """Forget a saved search.

        :raises UnknownName: where there is none of this id.
        """
        searches.delete(self._workspace.writable, search)

    def run(self, search: str, *, limit: int = 20, cursor: str | None = None) -> Page:
        """Return what a saved search finds by now, best first.

        :raises UnknownName: where there is none of this id.
        """
        return searches.run(self._workspace, search, limit=limit, cursor=cursor)
