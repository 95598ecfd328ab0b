"""`library.vocabularies`: the labels that a library tags with, and changing them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Unpack

from opsin.model import Label, Vocabulary
from opsin.services.assets import planning, reanalyse
from opsin.services.base import vocabulary
from opsin.services.base.workspace import Workspace
from opsin.services.labels import relabel, trying
from opsin.services.labels.relabel import LabelChanges
from opsin.services.labels.trying import Effect


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

    def summaries(self) -> tuple[vocabulary.VocabularySummary, ...]:
        """Return the vocabularies of this library, and then those that plugins ship besides, without their labels."""
        return vocabulary.summaries(self._workspace.layout.vocabularies, self._workspace.settings)

    def check(self) -> Sequence[str]:
        """Return what is wrong with the vocabularies' files, one sentence each; empty where all is well."""
        return vocabulary.check(self._workspace.layout.vocabularies)

    def disputed_words(self) -> Sequence[str]:
        """Return which words two vocabularies take for different labels, one sentence each; nothing is broken by that."""
        return vocabulary.disputed([self._workspace.layout.vocabularies])

    def add(self, source: str | Path) -> Vocabulary:
        """Take in a vocabulary that a plugin ships, by name, or a TOML file, by path.

        :raises UnknownName: where ``source`` is neither.
        :raises Taken: where there is a vocabulary of that name.
        """
        return relabel.add_vocabulary(self._workspace.writable, source)

    def add_shipped(self, name: str) -> Vocabulary:
        """Take in a vocabulary that a plugin ships; ``name`` is never taken for a file's.

        :raises UnknownName: where there is none.
        :raises Taken: where there is a vocabulary of that name.
        """
        return relabel.add_vocabulary(self._workspace.writable, name, files=False)

    def create(self, name: str, labels: Sequence[Label] = (), *, summary: str = "") -> Vocabulary:
        """Make a vocabulary, without labels unless some are given; ``summary`` says in a sentence what it is.

        :raises Taken: where there is a vocabulary of that name.
        :raises SettingError: where the name is not lower_snake_case, or the labels do not fit together.
        """
        return relabel.create_vocabulary(self._workspace.writable, name, labels, summary=summary)

    def remove(self, name: str, *, expected: Collection[str] | None = None) -> None:
        """Take a vocabulary away, with the tags that rest on it alone.

        With ``expected`` it is done only where the revision of the vocabulary is one of these, here and below.

        :raises UnknownName: naming the vocabularies that there are.
        :raises Outdated: where it is none of those expected, here and below.
        """
        relabel.remove_vocabulary(self._workspace.writable, name, expected=expected)

    def edit_label(
        self,
        vocabulary: str,
        label: str,
        /,
        *,
        expected: Collection[str] | None = None,
        **changes: Unpack[LabelChanges],
    ) -> Vocabulary:
        """Change a label of a vocabulary, or make it, and return the vocabulary.

        ``changes`` are fields of :class:`opsin.Label`, e.g. ``prompts=("a photo of a dog",)``; None takes a field away.

        :raises UnknownName: where there is no such vocabulary or field.
        :raises SettingError: where the result cannot be used; nothing is written then.
        """
        return relabel.edit_label(self._workspace.writable, vocabulary, label, changes, expected=expected)[0]

    def remove_label(self, vocabulary: str, label: str, *, expected: Collection[str] | None = None) -> Vocabulary:
        """Take a label out of a vocabulary, and return the vocabulary.

        :raises UnknownName: where there is no such vocabulary or label.
        :raises SettingError: where other labels name it as their parent.
        """
        return relabel.remove_label(self._workspace.writable, vocabulary, label, expected=expected)

    def try_add(self, name: str, labels: Sequence[Label] | None = None, *, most: int = trying.MOST) -> Effect:
        """Return what :meth:`create`, or :meth:`add` of what a plugin ships, would do to the tags; nothing is changed.

        At most ``most`` contents are looked at, evenly spread.
        """
        return trying.add(self._workspace, name, labels, most)

    def try_remove(self, name: str, *, most: int = trying.MOST) -> Effect:
        """Return what :meth:`remove` would do to the tags; nothing is changed."""
        return trying.remove(self._workspace, name, most)

    def try_edit_label(
        self, vocabulary: str, label: str, /, *, most: int = trying.MOST, **changes: Unpack[LabelChanges]
    ) -> Effect:
        """Return what :meth:`edit_label`, and scoring again, would do to the tags; nothing is changed."""
        return trying.edit_label(self._workspace, vocabulary, label, changes, most)

    def try_remove_label(self, vocabulary: str, label: str, *, most: int = trying.MOST) -> Effect:
        """Return what :meth:`remove_label`, and scoring again, would do to the tags; nothing is changed."""
        return trying.remove_label(self._workspace, vocabulary, label, most)

    def plan_rescore(self, name: str) -> planning.Plan:
        """Return what :meth:`rescore` would score again."""
        return relabel.plan_rescore(self._workspace.writable, name)

    def rescore(
        self, name: str, *, progress: Callable[[reanalyse.Reanalysed], None] | None = None
    ) -> reanalyse.Reanalysis:
        """Score the library by the vocabulary as it is now, from stored features; no picture is opened.

        ``progress`` is told of each content when its new tags are stored.
        """
        return reanalyse.reanalyse(self._workspace.writable, self.plan_rescore(name), progress)
