"""What people say about tags: it outlives every re-analysis."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.errors import UsageError
from opsin.plugin.vocabulary import label_id
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.finding.views import AssetView

_LONGEST = 200


class Labelled(AssetView, frozen=True, kw_only=True):
    """An asset after a person spoke of it. ``absent`` are labels that were to be removed and that it did not carry."""

    absent: tuple[str, ...] = ()


def spoken(workspace: Workspace, add: Sequence[str], remove: Sequence[str]) -> dict[str, bool]:
    """Return what a person says by adding and removing these tags: label -> present.

    :raises UsageError: for an empty tag, too many, or one that is both added and removed.
    """
    added = {tag_of(workspace, tag) for tag in checked.texts(add, "add", checked.MOST_TAGS)}
    removed = {tag_of(workspace, tag) for tag in checked.texts(remove, "remove", checked.MOST_TAGS)}
    if both := added & removed:
        msg = f"{', '.join(sorted(both))}: either add it or remove it"
        raise UsageError(msg)
    return dict.fromkeys(added, True) | dict.fromkeys(removed, False)


def tag_of(workspace: Workspace, text: str) -> str:
    """Return the tag that a person means: the label of that id, name or synonym (see ``tags.languages``), else their own.

    :raises UsageError: where nothing is left of ``text``.
    """
    return workspace.meaning.label_of(clean_tag(text))


def clean_tag(text: str) -> str:
    """Return a tag as it is stored: lower case, words joined by underscores.

    :raises UsageError: where nothing is left.
    """
    if not (tag := label_id(checked.text(text, "a tag"))):
        msg = f"{text!r} is no tag: it has no letter or digit"
        raise UsageError(msg)
    if len(tag) > _LONGEST:
        msg = f"{text[:_LONGEST]!r}... is no tag: it has more than {_LONGEST} letters; say it as a caption"
        raise UsageError(msg)
    return tag
