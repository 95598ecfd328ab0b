"""`library.exports`: exports that are kept in the library for a while."""

from __future__ import annotations

import shutil
from pathlib import Path

from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.jobs import exports
from opsin.services.jobs.exports import Export, ExportFile
from opsin.services.moving import exporting

Several = list[Export]  # said here: in the class, `list` is a method


class Exports:
    """The exports of one library that are kept; :meth:`Jobs.export` has one written."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list(self) -> Several:
        """Return the exports, the newest first."""
        return exports.every(self._workspace)

    def get(self, export: str) -> Export:
        """Return one export; its id is that of its job.

        :raises UnknownName: where none is kept of this id.
        """
        return exports.get(self._workspace, export)

    def file(self, export: str, name: str | None = None) -> tuple[ExportFile, Path]:
        """Return a file of an export, the one with the records where none is named, and where it is.

        :raises UnknownName: where there is none.
        """
        return exports.file_of(self._workspace, export, name)

    def download(self, export: str, out: str | Path, *, name: str | None = None, force: bool = False) -> Path:
        """Copy a file of an export, the one with the records where none is named, and return where it is now.

        :raises UsageError: where ``out`` is there and ``force`` is False.
        :raises LibraryError: where it cannot be written.
        """
        target = checked.path(out, "out")
        _, source = self.file(export, name)
        with exporting.whole(target, force=force) as unfinished:
            shutil.copyfile(source, unfinished)
        return target

    def delete(self, export: str) -> Export:
        """Take an export away.

        :raises UnknownName: where none is kept of this id.
        """
        return exports.delete(self._workspace.writable, export)
