"""`library.index`: looking after the vector index."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.services.base.workspace import Workspace
from opsin.services.keeping import upkeep


class LibraryIndex:
    """The vector index of one library; it follows from the catalogue and can be made again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def status(self) -> upkeep.IndexStatus:
        """Return the numbers of the index beside those of the catalogue."""
        return upkeep.index_status(self._workspace)

    def verify(self) -> Sequence[str]:
        """Compare the index with the catalogue and return what is wrong; empty means sound."""
        return upkeep.verify_index(self._workspace)

    def rebuild(self) -> int:
        """Make the index and the tags of models again from the catalogue, and return the number of vectors."""
        return upkeep.rebuild_index(self._workspace.writable)
