"""The part of the facade that looks after a whole library: its vocabularies, and what goes out of it and comes in."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from opsin.errors import LibraryError
from opsin.model import Vocabulary
from opsin.services import (
    backup,
    checked,
    doctor,
    exporting,
    filters,
    importing,
    people,
    relabel,
    sidecars,
    vocabulary,
    watching,
)
from opsin.services.commit import AddOptions

if TYPE_CHECKING:
    from opsin.services.reanalyse import Plan, Reanalysed
    from opsin.services.workspace import Workspace


_LONGEST_WAIT = 86_400.0
"""Seconds."""


class Keeping:
    """What :class:`opsin.Library` inherits; its methods may be called from several threads."""

    workspace: Workspace

    def vocabularies(self) -> Sequence[Vocabulary]:
        """Return the vocabularies of this library, by name.

        :raises SettingError: where one of them cannot be used; ``opsin vocabulary check`` says why.
        """
        return vocabulary.load_all(self.workspace.layout.vocabularies)

    def vocabulary(self, name: str) -> Vocabulary:
        """Return one vocabulary.

        :raises UnknownName: naming the vocabularies that there are.
        """
        return vocabulary.show(self.workspace.layout.vocabularies, name)

    def check_vocabularies(self) -> Sequence[str]:
        """Return what is wrong with the vocabularies' files, one sentence each; empty where all is well."""
        return vocabulary.check(self.workspace.layout.vocabularies)

    def disputed_words(self) -> Sequence[str]:
        """Return which words two vocabularies take for different labels, one sentence each; nothing is broken by that."""
        return vocabulary.disputed([self.workspace.layout.vocabularies])

    def add_vocabulary(self, source: str | Path) -> Vocabulary:
        """Take in a vocabulary that a plugin ships, by name, or a TOML file, by path. Call :meth:`rescore` afterwards.

        :raises UnknownName: where ``source`` is neither.
        :raises UsageError: where there is a vocabulary of that name.
        """
        self._require_writable()
        return relabel.add_vocabulary(self.workspace, source)

    def create_vocabulary(self, name: str) -> Vocabulary:
        """Begin a vocabulary without labels.

        :raises UsageError: where there is a vocabulary of that name.
        """
        self._require_writable()
        return relabel.create_vocabulary(self.workspace, name)

    def remove_vocabulary(self, name: str) -> None:
        """Take a vocabulary away, with the tags that rest on it alone.

        :raises UnknownName: naming the vocabularies that there are.
        """
        self._require_writable()
        relabel.remove_vocabulary(self.workspace, name)

    def edit_label(self, name: str, label: str, /, **changes: Any) -> Vocabulary:
        """Change a label of the vocabulary ``name``, or make it. Call :meth:`rescore` afterwards.

        ``changes`` are fields of :class:`opsin.Label`, e.g. ``prompts=("a photo of a dog",)``; None takes a field away.

        :raises UnknownName: where there is no such vocabulary or field.
        :raises SettingError: where the result cannot be used; nothing is written then.
        """
        self._require_writable()
        return relabel.edit_label(self.workspace, name, label, changes)[0]

    def remove_label(self, name: str, label: str) -> Vocabulary:
        """Take a label out of the vocabulary ``name``. Call :meth:`rescore` afterwards.

        :raises UnknownName: where there is no such vocabulary or label.
        :raises SettingError: where other labels name it as their parent.
        """
        self._require_writable()
        return relabel.remove_label(self.workspace, name, label)

    def plan_rescore(self, name: str) -> Plan:
        """Return what has to be scored again after the vocabulary ``name`` changed."""
        self._require_writable()
        return relabel.plan_rescore(self.workspace, name)

    def rescore(self, name: str) -> Iterator[Reanalysed]:
        """Score the library by the vocabulary ``name`` as it is now, from stored features; no picture is opened."""
        return relabel.rescore(self.workspace, self.plan_rescore(name))

    def tag_of(self, text: str) -> str:
        """Return the tag that ``text`` stands for: the label of that id, name or synonym, else a tag of your own.

        Names in other languages than the vocabularies' own count only for those in ``tags.languages``.

        :raises UsageError: where ``text`` holds no letter or digit.
        """
        return people.tag_of(self.workspace, text)

    def forget(self, name: str) -> relabel.Forgotten:
        """Drop what a categorizer said whose plugin is switched off or gone, with the tags that rest on it alone.

        ``name`` is its id, or what stands before the "/" in it. Tags by people stay.

        :raises UsageError: where it is in use.
        :raises UnknownName: where there are no reports of it, naming those that there are.
        """
        self._require_writable()
        return relabel.forget(self.workspace, name)

    def records(self, *, where: Sequence[str] = ()) -> Iterator[exporting.Record]:
        """Yield everything that is known of each asset, in the order in which they were added."""
        return exporting.records(self.workspace, filters.read(self.workspace, where))

    def export(
        self,
        out: str | Path | BinaryIO,
        *,
        where: Sequence[str] = (),
        form: exporting.Format = "jsonl",
        vectors: exporting.VectorFormat | None = None,
        force: bool = False,
        progress: exporting.Progress | None = None,
    ) -> exporting.Exported:
        """Write one record an asset to a file or a binary stream, and with ``vectors`` the embeddings beside the file.

        ``form`` is "jsonl" or "parquet", ``vectors`` "npy" or "parquet"; ``progress`` is called with the number of
        assets done. Files appear only when they are whole.

        :raises LibraryError: where a file cannot be written.
        :raises UsageError: where a file exists and ``force`` is False, pyarrow is needed and not installed, or ``vectors`` have no file to stand beside.
        """
        target = checked.path(out, "out") if isinstance(out, str | Path) else out
        chosen = filters.read(self.workspace, where)
        return exporting.export(
            self.workspace, target, where=chosen, form=form, vectors=vectors, force=force, progress=progress
        )

    def write_sidecars(
        self, *, where: Sequence[str] = (), merge: bool = False, force: bool = False
    ) -> Iterator[sidecars.Sidecar]:
        """Write the tags of each picture into an XMP file beside it (``photo.jpg.xmp``), and yield what became of it.

        A sidecar of another program is left alone, unless ``merge`` (tags are added to it) or ``force`` (replaced).
        """
        chosen = filters.read(self.workspace, where)
        return sidecars.write_sidecars(self.workspace, chosen, merge=merge, force=force)

    def import_records(self, lines: Iterable[bytes]) -> Iterator[importing.Imported]:
        """Bring owner, caption, context and people's tags from records (JSON, one a line) onto assets that are here.

        An asset is known by its location, else by the SHA-256 of its bytes. Doing it twice changes nothing more.
        """
        self._require_writable()
        return importing.import_records(self.workspace, lines)

    def watch(
        self,
        *folders: str | Path,
        owner: str | None = None,
        tags: Iterable[str] = (),
        auto_tag: float | None = None,
        interval: float = 2.0,
        settle: float = 2.0,
        stop: threading.Event | None = None,
    ) -> Generator[watching.Watched, None, None]:
        """Add what appears or changes in ``folders``, mark what vanishes, and yield each event, until ``stop`` is set.

        At first come the events since the folders were last looked at. A file counts as written when its size and time
        have stayed as they are for ``settle`` seconds; ``interval`` is the time between two looks, in seconds.

        :raises UsageError: where a folder is none, or is the library itself.
        """
        self._require_writable()
        options = AddOptions(
            owner=owner, tags=tuple(people.tag_of(self.workspace, tag) for tag in tags), auto_tag=auto_tag
        )
        places = [checked.path(folder, "a folder") for folder in folders]
        checked.number(interval, "interval", 0, _LONGEST_WAIT)
        checked.number(settle, "settle", 0, _LONGEST_WAIT)
        return watching.watch(self.workspace, places, options, interval=interval, settle=settle, stop=stop)

    def examine(self, *, quick: bool = False) -> Iterator[doctor.Finding]:
        """Look everything over, without changing anything, and yield what is found; ``quick`` reads and loads less."""
        return doctor.examine_library(self.workspace.layout.root, quick=quick)

    def back_up(self, target: str | Path) -> Iterator[backup.Step]:
        """Copy the library to a folder, or to one file where the name ends in .tar; yield how far it is.

        It runs while pictures are added, by this process or another. The copy is verified, and there only when whole.

        :raises UsageError: where there is something at ``target``.
        :raises Damaged: where a copied picture is not what the catalogue says.
        :raises LibraryError: where it cannot be written.
        """
        return backup.back_up(self.workspace.layout.root, checked.path(target, "target"))

    def _require_writable(self) -> None:
        if self.workspace.readonly:
            raise LibraryError("this library was opened for reading only")
