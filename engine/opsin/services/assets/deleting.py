"""Deleting assets: unseen at once, undone within ``assets.undo``, and then erased with all that only they had."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec

from opsin.catalogue import assets, erasing, sqlite
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.ids import as_text, now
from opsin.errors import LibraryError, Outdated, Taken, UnknownName, reason_of
from opsin.services.base import answers
from opsin.services.base.problem import Problem, problem
from opsin.services.base.tagging import renew, store, tags_of
from opsin.services.base.workspace import Workspace
from opsin.services.finding.query import one_asset
from opsin.services.finding.views import AssetView, asset_view, require
from opsin.services.telling.events import Happened, tell

_log = logging.getLogger(__name__)
_PAGE = 100
_LONG_AGO = "0001-01-01T00:00:00.000Z"


class Deleted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An asset that was deleted. ``restorable_until`` is when it is erased, None where that was to be done at once.

    ``problem``: why not all of it could be erased just now; it cannot be brought back, and is erased as soon as can be.
    """

    id: str
    public_id: str | None
    name: str
    restorable_until: str | None
    problem: Problem | None = None


def delete(
    workspace: Workspace, row: AssetRow, *, at_once: bool = False, expected: Collection[str] | None = None
) -> Deleted:
    """Delete an asset; a file that it refers to is left alone. ``at_once``: erase it, without a way back.

    :raises Outdated: where the asset is none of those ``expected``, see :func:`opsin.services.finding.views.require`.
    :raises UnknownName: where it was deleted meanwhile.
    """
    at = now()
    renew(workspace)
    with workspace.catalogue.write() as connection:
        here = assets.by_rows(connection, [row.row]).get(row.row)
        if here is None or here.deleted_at is not None:
            msg = f"the asset {row.id} was deleted meanwhile"
            raise UnknownName(msg)
        if expected is not None:
            require(asset_view(here, tags_of(workspace, connection, [here])[here.row]), expected)
        tell(workspace, connection, [Happened("asset.deleted", row.row)])
        erasing.hide(connection, row.row, _LONG_AGO if at_once else at)
    failed = erase_if_it_can_be(workspace)  # what fails now does not undo what is committed: it is deleted
    undo = _undo(workspace)
    until = as_text(datetime.fromisoformat(at) + undo) if undo and not at_once else None
    wrong = problem(failed) if failed is not None and until is None else None
    return Deleted(id=row.id, public_id=row.public_id, name=row.name, restorable_until=until, problem=wrong)


def restore(workspace: Workspace, name: str, *, expected: Collection[str] | None = None) -> AssetView:
    """Undo the deletion of the asset of this id, public id, location or name; one that is there is returned as it is.

    :raises UnknownName: where there is none, or the time to undo it is over.
    :raises Taken: where another asset has its public id by now.
    :raises Outdated: where the asset is none of those ``expected``, as a deleted one never is.
    """
    renew(workspace)
    with workspace.catalogue.write() as connection:
        oldest = as_text(datetime.now(UTC) - _undo(workspace))
        found = [row for row in erasing.hidden(connection, name) if (row.deleted_at or "") > oldest]
        if not found:
            here = one_asset(assets.resolve(connection, name), name)
            view = asset_view(here, tags_of(workspace, connection, [here])[here.row])
            require(view, expected)
            return view
        row = found[0]
        if expected is not None:
            msg = f"the asset {row.id} was deleted, so that it is not what you saw: restore it without a condition"
            raise Outdated(msg)
        if row.public_id is not None and (other := assets.by_public_id(connection, row.public_id)) is not None:
            msg = f"the asset {other.id} is called {row.public_id!r} by now: give that another public_id, then restore this one"
            raise Taken(msg)
        erasing.show(connection, row.row)
        (back,) = assets.by_rows(connection, [row.row]).values()
        tags = tags_of(workspace, connection, [back])
        store(connection, tags)
        tell(workspace, connection, [Happened("asset.restored", row.row)], tags)
        return asset_view(back, tags[back.row])


def erase_if_it_can_be(workspace: Workspace) -> LibraryError | None:
    """Erase what is due, as :func:`erase_due` does, and return why it could not be: it is tried again."""
    try:
        erase_due(workspace)
    except LibraryError as error:
        _log.warning("what was deleted is not erased yet: %s", error)
        return error
    return None


def erase_due(workspace: Workspace) -> int:
    """Erase what was deleted longer ago than can be undone, and return how many assets these were.

    Erased are the asset, what events tell of it that have not arrived yet, answers kept for repeats, and what no other asset has of its content:
    features, vectors, reports, the copy, previews. Files go before the rows that name them: what ends in between is done again, and nothing is left that nobody knows of.

    :raises LibraryError: where something of it cannot be taken away; what was erased before that leaves the index, too.
    """
    vectors: list[int] = []
    count = 0
    try:
        while erased := _erase_some(workspace):
            count += erased[0]
            vectors += erased[1].vectors
    finally:
        if count:
            workspace.indexed.drop(vectors)
            with workspace.catalogue.write() as connection:
                sqlite.forget_words(connection)
            workspace.catalogue.forget_journal()
    return count


def _erase_some(workspace: Workspace) -> tuple[int, erasing.Erased] | None:
    """Erase a page of what is due, and return how many assets that were and what went with them; None: nothing is due."""
    oldest = as_text(datetime.now(UTC) - _undo(workspace))
    with workspace.catalogue.read() as connection:
        if not erasing.hidden_until(connection, oldest, 1):
            return None
    with workspace.catalogue.write() as connection:
        due = erasing.hidden_until(connection, oldest, _PAGE)
        erased = erasing.erase(connection, due)
        answers.forget(connection, [row.id for row in due])
        for digest in erased.copies:
            workspace.blobs.remove(digest)
        for digest in erased.contents:
            drop_previews(workspace, digest)
    return len(due), erased


def _undo(workspace: Workspace) -> timedelta:
    return timedelta(seconds=workspace.settings.assets.undo)


def drop_previews(workspace: Workspace, digest: bytes) -> None:
    """Take the previews of a content away.

    :raises LibraryError: where that is not possible.
    """
    name = digest.hex()
    for path in (workspace.layout.previews / name[:2]).glob(f"*{name}-*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            msg = f"cannot take {path} away: {reason_of(error)}"
            raise LibraryError(msg) from error
