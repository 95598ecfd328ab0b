"""What people say about tags: it outlives every re-analysis."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsin.catalogue.assets import AssetRow
from opsin.errors import UsageError
from opsin.plugin.vocabulary import label_id
from opsin.services import checked
from opsin.services.events import tell_of_words
from opsin.services.tagging import renew, tags_of
from opsin.services.views import AssetView, view_assets
from opsin.services.workspace import Workspace

_LONGEST = 200


class Labelled(AssetView, frozen=True, kw_only=True):
    """An asset after a person spoke of it. ``absent`` are labels that were to be removed and that it did not carry."""

    absent: tuple[str, ...] = ()


def tag_by_person(
    workspace: Workspace, row: AssetRow, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> Labelled:
    """Attach tags to an asset and remove tags from it, for good: what is removed and is not there will not come, either.

    :raises UsageError: for an empty tag, or one that is both added and removed.
    """
    added = {tag_of(workspace, tag) for tag in checked.texts(add, "add")}
    removed = {tag_of(workspace, tag) for tag in checked.texts(remove, "remove")}
    if both := added & removed:
        msg = f"{', '.join(sorted(both))}: either add it or remove it"
        raise UsageError(msg)
    renew(workspace)
    with workspace.catalogue.write() as connection:
        had = {tag.label for tag in tags_of(workspace, connection, [row])[row.row]}
        said = dict.fromkeys(added, True) | dict.fromkeys(removed, False)
        tell_of_words(workspace, connection, {row.row: said})
    (view,) = view_assets(workspace, [row])
    return Labelled(**msgspec.structs.asdict(view), absent=tuple(sorted(removed - had)))


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
