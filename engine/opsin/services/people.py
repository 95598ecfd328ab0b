"""What people say about tags: it outlives every re-analysis."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.catalogue.assets import AssetRow
from opsin.errors import UsageError
from opsin.plugin.vocabulary import label_id
from opsin.services.tagging import renew, say
from opsin.services.workspace import Workspace


def tag_by_person(workspace: Workspace, row: AssetRow, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Attach tags to an asset and remove tags from it, for good.

    :raises UsageError: for an empty tag, or one that is both added and removed.
    """
    added, removed = {tag_of(workspace, tag) for tag in add}, {tag_of(workspace, tag) for tag in remove}
    if both := added & removed:
        msg = f"{', '.join(sorted(both))}: either add it or remove it"
        raise UsageError(msg)
    renew(workspace)
    with workspace.catalogue.write() as connection:
        said = dict.fromkeys(added, True) | dict.fromkeys(removed, False)
        say(workspace, connection, {row.row: said})


def tag_of(workspace: Workspace, text: str) -> str:
    """Return the tag that a person means: the label of that id, name or synonym (see ``tags.languages``), else their own.

    :raises UsageError: where nothing is left of ``text``.
    """
    return workspace.meaning.label_of(clean_tag(text))


def clean_tag(text: str) -> str:
    """Return a tag as it is stored: lower case, words joined by underscores.

    :raises UsageError: where nothing is left.
    """
    if not (tag := label_id(text)):
        msg = f"{text!r} is no tag: it has no letter or digit"
        raise UsageError(msg)
    return tag
