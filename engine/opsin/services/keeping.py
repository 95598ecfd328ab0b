"""The part of the facade that looks after a whole library: its vocabularies, and later what goes out of it and comes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsin.errors import LibraryError
from opsin.model import Vocabulary
from opsin.services import relabel, vocabulary

if TYPE_CHECKING:
    from opsin.services.reanalyse import Plan, Reanalysed
    from opsin.services.workspace import Workspace


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

    def _require_writable(self) -> None:
        if self.workspace.readonly:
            raise LibraryError("this library was opened for reading only")
