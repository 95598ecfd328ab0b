"""What a change of a vocabulary would do to the tags, worked out from stored features; nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from opsin.catalogue import assets, contents, features
from opsin.host import Trial
from opsin.model import Label, Report, Vocabulary
from opsin.plugin.vocabulary import label_id
from opsin.services.base import checked, vocabulary
from opsin.services.base.meaning import Meaning
from opsin.services.base.tagging import follow
from opsin.services.base.workspace import Workspace
from opsin.services.labels import relabel
from opsin.services.labels.relabel import LabelChanges
from opsin.services.looking.chosen import is_left_out

MOST = 20_000
"""Contents that are looked at unless the caller says otherwise."""
_PAGE = 128


class LabelEffect(msgspec.Struct, frozen=True, kw_only=True):
    """How many assets would get a tag, and how many would lose it."""

    label: str
    added: int
    removed: int


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a change would do. Of ``total`` contents ``contents`` were looked at, evenly spread where these are fewer.

    ``changed`` counts the assets whose tags would change, ``tags_added`` and ``tags_removed`` the tags, ``labels`` says of
    which labels, those that change most first.
    """

    contents: int
    total: int
    changed: int
    tags_added: int
    tags_removed: int
    labels: tuple[LabelEffect, ...]


def edit_label(workspace: Workspace, name: str, label: str, changes: LabelChanges, most: int = MOST) -> Effect:
    """Return what changing, or making, a label would do.

    :raises UnknownName: where there is no such vocabulary or field.
    :raises SettingError: where the result could not be used.
    """
    return _effect(workspace, name, relabel.edit_label(workspace, name, label, changes, write=False)[0], most)


def remove_label(workspace: Workspace, name: str, label: str, most: int = MOST) -> Effect:
    """Return what taking a label out of a vocabulary would do.

    :raises UnknownName: where there is no such vocabulary or label.
    :raises SettingError: where other labels name it as their parent.
    """
    return _effect(workspace, name, relabel.remove_label(workspace, name, label_id(label), write=False), most)


def remove(workspace: Workspace, name: str, most: int = MOST) -> Effect:
    """Return what taking a vocabulary away would do.

    :raises UnknownName: naming the vocabularies that there are.
    """
    vocabulary.path_of(workspace.layout.vocabularies, name)
    return _effect(workspace, name, None, most)


def add(workspace: Workspace, name: str, labels: Sequence[Label] | None = None, most: int = MOST) -> Effect:
    """Return what making a vocabulary of these labels, or taking in the one that a plugin ships (None), would do.

    :raises UnknownName: where no plugin ships it.
    :raises Taken: where there is a vocabulary of that name.
    :raises SettingError: where the labels do not fit together.
    """
    if labels is None:
        candidate = relabel.add_vocabulary(workspace, name, files=False, write=False)
    else:
        candidate = relabel.create_vocabulary(workspace, name, labels, write=False)
    return _effect(workspace, candidate.name, candidate, most)


def _effect(workspace: Workspace, name: str, candidate: Vocabulary | None, most: int) -> Effect:
    """Return what it would do to have ``candidate`` (None: nothing) for the vocabulary called ``name``."""
    checked.whole(most, "most", 1)
    others = [each for each in vocabulary.load_all(workspace.layout.vocabularies) if each.name != name]
    host = workspace.ready()
    with workspace.catalogue.read() as connection:
        everything = np.unique(workspace.rows.contents_of(connection, workspace.rows.present(connection)))
    numbers = everything[np.linspace(0, len(everything) - 1, min(most, len(everything))).astype(int)].tolist()
    with host.trial([*others, candidate] if candidate is not None else others) as trial:
        declines = trial.load()
        known = host.categorizers.keys() - trial.gone
        meaning = Meaning(lambda: trial, workspace.catalogue, workspace.settings.tags)
        meaning.note_declines(declines, among=known | trial.own, store=False)
        added: Counter[str] = Counter()
        removed: Counter[str] = Counter()
        changed = 0
        for start in range(0, len(numbers), _PAGE):
            for before, after in _page(workspace, trial, meaning, numbers[start : start + _PAGE]):
                added.update(after - before)
                removed.update(before - after)
                changed += before != after
    order = sorted(added.keys() | removed.keys(), key=lambda label: (-added[label] - removed[label], label))
    return Effect(
        contents=len(numbers),
        total=len(everything),
        changed=changed,
        tags_added=added.total(),
        tags_removed=removed.total(),
        labels=tuple(LabelEffect(label=each, added=added[each], removed=removed[each]) for each in order),
    )


def _page(
    workspace: Workspace, trial: Trial, meaning: Meaning, numbers: Sequence[int]
) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return the labels that each asset of these contents has, and would have."""
    limits = workspace.settings.tags
    with workspace.catalogue.read() as connection:
        stored = features.of_contents(connection, numbers, workspace.feature_kinds)
        former = contents.reports_of(connection, numbers)
        named = assets.of_contents(connection, numbers)
        people = assets.person_tags(connection, {row.row for rows in named.values() for row in rows})
    fresh = dict(zip(numbers, trial.categorize_many([stored[number] for number in numbers]), strict=True))
    found = []
    for number in numbers:
        reports = _mixed(former[number], fresh[number], trial)
        for row in named[number]:
            said = people[row.row]
            before = follow(workspace.meaning, limits, former[number], row.auto_tag, said)
            after = follow(meaning, limits, reports, row.auto_tag, said)
            found.append((frozenset(tag.label for tag in before), frozenset(tag.label for tag in after)))
    return found


def _mixed(former: Sequence[Report], fresh: Sequence[Report], trial: Trial) -> list[Report]:
    """Return the reports that there would be: what failed just now, or was left out, stays, as reanalysing has it."""
    kept_so = {report.categorizer for report in fresh if report.status == "failed"}
    kept_so |= {report.categorizer for report in former if is_left_out(report)}
    replaced = (trial.own | trial.gone) - kept_so
    kept: Mapping[str, Report] = {report.categorizer: report for report in former if report.categorizer not in replaced}
    return [*kept.values(), *(report for report in fresh if report.categorizer not in kept)]
