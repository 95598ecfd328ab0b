"""What follows where a vocabulary changes or a categorizer goes: the library is scored again, or what was said is dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import msgspec

from opsin.catalogue import contents, features
from opsin.errors import Outdated, SettingError, UnknownName, UsageError
from opsin.model import Label, Vocabulary
from opsin.plugin.vocabulary import label_id, read_vocabulary
from opsin.services.assets.planning import Plan, plan
from opsin.services.base import checked, vocabulary
from opsin.services.base.tagging import rebuild_tags
from opsin.services.base.workspace import Workspace


class LabelChanges(TypedDict, total=False):
    """The fields of :class:`opsin.Label` that can be set; None takes a field away, what is left out stays."""

    name: str | None
    prompts: Sequence[str] | None
    negatives: Sequence[str] | None
    synonyms: Sequence[str] | None
    parents: Sequence[str] | None
    threshold: Mapping[str, float] | None
    unseen: Sequence[str] | None
    names: Mapping[str, str] | None
    group: str | None


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was dropped: all that these categorizers said, in so many reports, and these features of so many contents."""

    categorizers: tuple[str, ...]
    reports: int
    features: tuple[str, ...]
    contents: int


def add_vocabulary(workspace: Workspace, source: str | Path, *, files: bool = True, write: bool = True) -> Vocabulary:
    """Take in a vocabulary that a plugin ships, by name, or, where ``files``, a TOML file, by path.

    Without ``write`` it is only checked, here and below.

    :raises UnknownName: where ``source`` is neither.
    :raises Taken: where there is a vocabulary of that name.
    :raises SettingError: where the file cannot be used.
    """
    with _changing(workspace, write=write):
        return vocabulary.add(workspace.layout.vocabularies, source, workspace.settings, files=files, write=write)


def create_vocabulary(
    workspace: Workspace, name: str, labels: Sequence[Label] = (), *, summary: str = "", write: bool = True
) -> Vocabulary:
    """Make a vocabulary.

    :raises Taken: where there is a vocabulary of that name.
    :raises SettingError: where the name is not lower_snake_case, or the labels do not fit together.
    """
    with _changing(workspace, write=write):
        name, summary = checked.text(name, "name"), checked.text(summary, "summary")
        return vocabulary.create(workspace.layout.vocabularies, name, labels, summary=summary, write=write)


def remove_vocabulary(workspace: Workspace, name: str, *, expected: Collection[str] | None = None) -> None:
    """Take a vocabulary away, and with it what its categorizers said: the tags that rest on them alone go too.

    ``expected`` are the revisions that the caller may have seen, None for any, here and below.

    :raises UnknownName: naming the vocabularies that there are.
    :raises Outdated: where the vocabulary has another revision, here and below.
    """
    with _changing(workspace, but=vocabulary.path_of(workspace.layout.vocabularies, name)):
        _require(workspace, name, expected)
        vocabulary.remove(workspace.layout.vocabularies, name)
    _drop(workspace, [each for each in out_of_use(workspace) if each.endswith(f"/{name}")])


def out_of_use(workspace: Workspace) -> list[str]:
    """Return the categorizers whose reports are stored though no plugin in use has them any more, sorted."""
    with workspace.catalogue.read() as connection:
        known = {categorizer for categorizer, *_ in contents.report_counts(connection)}
    return sorted(known - set(workspace.host.categorizers))


def unneeded(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Return the features that are stored though no plugin in use gives or needs them: by plugin, sorted."""
    host = workspace.host
    needed = frozenset(host.features).union(*host.categorizers.values())
    with workspace.catalogue.read() as connection:
        stored = sorted(features.givers(connection))
    found: dict[str, tuple[str, ...]] = {}
    for plugin, feature in stored:
        if plugin and feature not in needed:
            found[plugin] = (*found.get(plugin, ()), feature)
    return found


def forget(workspace: Workspace, name: str) -> Forgotten:
    """Drop what a plugin that is no longer in use left: what it said with the tags that rest on it alone, and its features.

    ``name`` is that of the plugin, or of a categorizer, or what stands before the "/" for all of ``zero_shot/...``. What
    people said stays, as do features that a categorizer in use needs.

    :raises UsageError: where it is in use.
    :raises UnknownName: where there is nothing of it, naming those of whom there is.
    """
    host = workspace.host
    used = {each for each in host.categorizers if each == name or each.startswith(f"{name}/")}
    used |= {each.plugin for each in host.features.values() if each.plugin == name}
    if used:
        msg = (
            f"{', '.join(sorted(used))} is in use: switch it off first (enabled = false under its [plugins.NAME] in "
            f"opsin.toml), or take its vocabulary away (`opsin vocabulary remove`)"
        )
        raise UsageError(msg)
    there, left = out_of_use(workspace), unneeded(workspace)
    gone = [each for each in there if each == name or each.startswith(f"{name}/")]
    if not gone and name not in left:
        known = ", ".join(sorted({*there, *left})) or "none"
        msg = f"there are no reports of {name!r} and no features; out of use, but with either, are: {known}"
        raise UnknownName(msg)
    reports = _drop(workspace, gone)
    with workspace.catalogue.write() as connection:
        count = features.drop(connection, name, left.get(name, ()))
    return Forgotten(categorizers=tuple(gone), reports=reports, features=left.get(name, ()), contents=count)


def _drop(workspace: Workspace, categorizers: Sequence[str]) -> int:
    """Forget what categorizers said, and return how many reports these were."""
    with workspace.catalogue.write() as connection:
        count = sum(contents.drop_reports(connection, each) for each in categorizers)
    if categorizers:
        rebuild_tags(workspace)
    return count


def edit_label(
    workspace: Workspace,
    name: str,
    label: str,
    changes: LabelChanges,
    *,
    expected: Collection[str] | None = None,
    write: bool = True,
) -> tuple[Vocabulary, bool]:
    """Set fields of a label (None takes a field away); one that is not there is made. Return whether it was made too.

    ``changes`` maps the names of :class:`opsin.Label`'s fields to values. Without ``write`` it is only checked.

    :raises UnknownName: where there is no such vocabulary or field.
    :raises SettingError: where the result cannot be used; nothing is written then.
    """
    folder = workspace.layout.vocabularies
    identity = label_id(checked.text(label, "a label"))
    with _changing(workspace, write=write):
        _require(workspace, name, expected)
        if identity in vocabulary.show(folder, name).by_id:
            return vocabulary.edit_label(folder, name, identity, changes, write=write), False
        given = {field: value for field, value in changes.items() if value is not None}
        try:
            made = msgspec.convert({**given, "id": identity}, Label)
        except msgspec.ValidationError as error:
            msg = f"the label {identity!r}: {error}"
            raise SettingError(msg) from error
        return vocabulary.add_label(folder, name, made, write=write), True


def remove_label(
    workspace: Workspace, name: str, label: str, *, expected: Collection[str] | None = None, write: bool = True
) -> Vocabulary:
    """Take a label out of a vocabulary; without ``write`` it is only checked.

    :raises UnknownName: where there is no such vocabulary or label.
    :raises SettingError: where other labels name it as their parent; nothing is written then.
    """
    with _changing(workspace, write=write):
        _require(workspace, name, expected)
        return vocabulary.remove_label(workspace.layout.vocabularies, name, label_id(label), write=write)


def plan_rescore(workspace: Workspace, name: str) -> Plan:
    """Return what has to be scored again after the vocabulary ``name`` changed: stored features are enough for all of it."""
    users = [categorizer for categorizer, known in workspace.host.vocabularies.items() if known.name == name]
    if not users:
        return Plan({})
    return plan(workspace, categorizers=users, missing=True, stale=True)


def _require(workspace: Workspace, name: str, expected: Collection[str] | None) -> None:
    if expected is None:
        return
    found = vocabulary.show(workspace.layout.vocabularies, name)
    if found.revision not in expected:
        msg = f"the vocabulary {name!r} has the revision {found.revision} by now: look at it again, then change it"
        raise Outdated(msg)


@contextmanager
def _changing(workspace: Workspace, *, but: Path | None = None, write: bool = True) -> Iterator[None]:
    """Let one change of vocabularies at a time happen, and take what came of it.

    Every vocabulary of the library, ``but`` one, has to be usable: otherwise nothing could be scored afterwards.

    :raises SettingError: naming the file, the line and the label of what is wrong, or the setting of a plugin.
    """
    workspace.check_settings()
    with workspace.changing_vocabularies:
        for path in sorted(workspace.layout.vocabularies.glob("*.toml")):
            if path != but and not path.name.startswith("."):
                read_vocabulary(path)
        yield
        if write:
            workspace.set_vocabularies()
