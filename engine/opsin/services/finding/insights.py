"""Insights: which tags an owner's pictures have, which tags come and go, and which stand together; off unless switched on.

Nothing is stored for them: they are worked out from the tags of pictures that are still there, and so end with these. What
people search for plays no part. A label counts where enough different owners have it; labels of people and of what is
moderated do not count at all, nor do words of people's own, which may be names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from opsin.catalogue import owning
from opsin.errors import LibraryError
from opsin.plugin.vocabulary import ancestors
from opsin.services.base import checked
from opsin.services.base.tagging import all_rows
from opsin.services.base.workspace import Workspace

MOST = 1000
"""Labels of one answer."""


class OwnTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag of an owner: on how many and which ``share`` (0..1) of the owner's pictures, and of everybody's (``usual``)."""

    label: str
    count: int
    share: float
    usual: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of one owner's ``pictures``, most frequent first.

    ``preferred`` are those that the owner has more often than everybody has, by how many times more often.
    """

    owner: str
    pictures: int
    tags: tuple[OwnTag, ...]
    preferred: tuple[str, ...]


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """A tag by now and in the same time before: pictures, and the share (0..1) of the pictures added in that time."""

    label: str
    count: int
    count_before: int
    share: float
    share_before: float


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """What was tagged in the last ``days`` and in those before, the largest change of the share first."""

    days: int
    pictures: int
    pictures_before: int
    tags: tuple[Trend, ...]


class Companion(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that stands beside another: on how many pictures and which ``share`` of them, and of all (``usual``)."""

    label: str
    count: int
    share: float
    usual: float


class Companions(msgspec.Struct, frozen=True, kw_only=True):
    """The tags that stand beside ``label``, the most frequent first."""

    label: str
    pictures: int
    tags: tuple[Companion, ...]


class _Kept:
    """What counts: the pictures within the retention, whose each is, and the labels that may be told of."""

    def __init__(self, workspace: Workspace) -> None:
        self.limits = limits = workspace.settings.insights
        if not limits.enabled:
            raise LibraryError("insights are off: set enabled = true under [insights] in opsin.toml, and start again")
        tagged = all_rows(workspace)
        with workspace.catalogue.read() as connection:
            rows, owners = owning.since(connection, moment(limits.days))
        self.all = BitMap(rows)
        self.mine = {owner: BitMap() for owner in owners if owner is not None}
        numbers = {owner: number for number, owner in enumerate(self.mine)}
        # a picture of nobody stands for itself
        self._whose: NDArray[np.int64] = np.zeros(int(rows.max(initial=0)) + 1, np.int64)
        for place, (row, owner) in enumerate(zip(rows.tolist(), owners, strict=True)):
            self._whose[row] = len(numbers) + place if owner is None else numbers[owner]
            if owner is not None:
                self.mine[owner].add(row)
        self._size = len(numbers) + len(owners)
        labels = workspace.meaning.labels
        out = {*limits.labels}
        self.tags: Mapping[str, BitMap] = {
            name: here
            for name, label in labels.items()
            if label.group not in limits.groups
            and out.isdisjoint((name, *ancestors(name, labels)))
            and all(labels[each].group not in limits.groups for each in ancestors(name, labels) if each in labels)
            and self.enough(here := tagged.get(name, BitMap()) & self.all)
        }

    def enough(self, rows: BitMap) -> bool:
        """Whether these pictures are of enough different owners."""
        if len(rows) < self.limits.least:
            return False
        seen = np.zeros(self._size, np.bool_)
        seen[self._whose[rows.to_array()]] = True
        return int(np.count_nonzero(seen)) >= self.limits.least


def moment(days: float) -> str:
    """Return the time so many days ago as the catalogue writes times."""
    then = datetime.now(UTC) - timedelta(days=days)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def profile(workspace: Workspace, owner: str) -> Profile:
    """Return the tags of one owner. A tag counts where enough of the owner's pictures have it.

    :raises LibraryError: where insights are off.
    """
    checked.text(owner, "owner")
    kept = _Kept(workspace)
    mine = kept.mine.get(owner, BitMap())
    found = [
        OwnTag(label=name, count=count, share=_share(count, len(mine)), usual=_share(len(rows), len(kept.all)))
        for name, rows in kept.tags.items()
        if (count := rows.intersection_cardinality(mine)) >= kept.limits.least
    ]
    found.sort(key=lambda each: (-each.count, each.label))
    liked = sorted((each for each in found if each.share > each.usual), key=lambda each: -each.share / each.usual)
    return Profile(
        owner=owner, pictures=len(mine), tags=tuple(found[:MOST]), preferred=tuple(each.label for each in liked[:MOST])
    )


def trends(workspace: Workspace, days: int = 30) -> Trends:
    """Return how the shares of tags changed between the last ``days`` and those before.

    A tag counts in each of the two where pictures of enough owners have it, else as 0.

    :raises LibraryError: where insights are off.
    :raises UsageError: for less than a day, or where twice as many are longer than what is kept.
    """
    kept = _Kept(workspace)
    checked.whole(days, "days", 1, max(1, kept.limits.days // 2))
    with workspace.catalogue.read() as connection:
        late = kept.all & BitMap(owning.since(connection, moment(days))[0])
        early = (kept.all & BitMap(owning.since(connection, moment(2 * days))[0])) - late
    found = []
    for name, rows in kept.tags.items():
        now, then = (len(each) if kept.enough(each) else 0 for each in (rows & late, rows & early))
        if now or then:
            shares = _share(now, len(late)), _share(then, len(early))
            found.append(Trend(label=name, count=now, count_before=then, share=shares[0], share_before=shares[1]))
    found.sort(key=lambda each: (-abs(each.share - each.share_before), each.label))
    return Trends(days=days, pictures=len(late), pictures_before=len(early), tags=tuple(found[:MOST]))


def companions(workspace: Workspace, label: str) -> Companions:
    """Return the tags that stand beside a label on pictures of enough owners.

    :raises LibraryError: where insights are off.
    """
    name = workspace.meaning.label_of(checked.text(label, "a label"))
    kept = _Kept(workspace)
    rows = kept.tags.get(name, BitMap())
    found = [
        Companion(
            label=other, count=len(both), share=_share(len(both), len(rows)), usual=_share(len(there), len(kept.all))
        )
        for other, there in kept.tags.items()
        if other != name and kept.enough(both := rows & there)
    ]
    found.sort(key=lambda each: (-each.count, each.label))
    return Companions(label=name, pictures=len(rows), tags=tuple(found[:MOST]))


def _share(count: int, whole: int) -> float:
    return round(count / whole, 4) if whole else 0.0
