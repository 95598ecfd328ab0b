"""`library.vocabularies`: the labels that a library tags with, and changing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

from opsin.model import Vocabulary
from opsin.services import reanalyse, relabel, vocabulary
from opsin.services.relabel import LabelChanges
from opsin.services.workspace import Workspace


class Vocabularies:
    """The vocabularies of one library. After a change, :meth:`rescore` brings the tags up to it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list(self) -> Sequence[Vocabulary]:
        """Return the vocabularies of this library, by name.

        :raises SettingError: where one of them cannot be used; ``opsin vocabulary check`` says why.
        """
        return vocabulary.load_all(self._workspace.layout.vocabularies)

    def get(self, name: str) -> Vocabulary:
        """Return one vocabulary.

        :raises UnknownName: naming the vocabularies that there are.
        """
        return vocabulary.show(self._workspace.layout.vocabularies, name)

    def shipped(self) -> Sequence[Vocabulary]:
        """Return the vocabularies that plugins ship, by name, as they ship them."""
        found = vocabulary.shipped(self._workspace.settings)
        return [found[name] for name in sorted(found)]

    def check(self) -> Sequence[str]:
        """Return what is wrong with the vocabularies' files, one sentence each; empty where all is well."""
        return vocabulary.check(self._workspace.layout.vocabularies)

    def disputed_words(self) -> Sequence[str]:
        """Return which words two vocabularies take for different labels, one sentence each; nothing is broken by that."""
        return vocabulary.disputed([self._workspace.layout.vocabularies])

    def add(self, source: str | Path) -> Vocabulary:
        """Take in a vocabulary that a plugin ships, by name, or a TOML file, by path.

        :raises UnknownName: where ``source`` is neither.
        :raises UsageError: where there is a vocabulary of that name.
        """
        return relabel.add_vocabulary(self._workspace.writable, source)

    def create(self, name: str) -> Vocabulary:
        """Begin a vocabulary without labels.

        :raises UsageError: where there is a vocabulary of that name.
        """
        return relabel.create_vocabulary(self._workspace.writable, name)

    def remove(self, name: str) -> None:
        """Take a vocabulary away, with the tags that rest on it alone.

        :raises UnknownName: naming the vocabularies that there are.
        """
        relabel.remove_vocabulary(self._workspace.writable, name)

    def edit_label(self, vocabulary: str, label: str, /, **changes: Unpack[LabelChanges]) -> Vocabulary:
        """Change a label of a vocabulary, or make it, and return the vocabulary.

        ``changes`` are fields of :class:`opsin.Label`, e.g. ``prompts=("a photo of a dog",)``; None takes a field away.

        :raises UnknownName: where there is no such vocabulary or field.
        :raises SettingError: where the result cannot be used; nothing is written then.
        """
        return relabel.edit_label(self._workspace.writable, vocabulary, label, changes)[0]

    def remove_label(self, vocabulary: str, label: str) -> Vocabulary:
        """Take a label out of a vocabulary, and return the vocabulary.

        :raises UnknownName: where there is no such vocabulary or label.
        :raises SettingError: where other labels name it as their parent.
        """
        return relabel.remove_label(self._workspace.writable, vocabulary, label)

    def plan_rescore(self, name: str) -> reanalyse.Plan:
        """Return what :meth:`rescore` would score again."""
        return relabel.plan_rescore(self._workspace.writable, name)

    def rescore(
        self, name: str, *, progress: Callable[[reanalyse.Reanalysed], None] | None = None
    ) -> reanalyse.Reanalysis:
        """Score the library by the vocabulary as it is now, from stored features; no picture is opened.

        ``progress`` is told of each content when its new tags are stored.
        """
        return reanalyse.reanalyse(self._workspace.writable, self.plan_rescore(name), progress)
