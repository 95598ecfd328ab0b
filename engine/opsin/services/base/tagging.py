"""Which tags an asset has: worked out here and nowhere else, shown from here, and kept as a set of rows per label.

The sets of rows answer filters and counts. They are written in the transaction that changes a report or a person's word,
so that they always say what is shown. Where the settings, the vocabularies or the algorithm changed since (see
``Meaning.rules``), all of them are made again before they are used.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from pyroaring import BitMap
from sqlalchemy import Connection

from opsin.catalogue import assets, contents, tags
from opsin.catalogue.assets import AssetRow
from opsin.fusion import fuse
from opsin.fusion import tags as tags_from
from opsin.model import Report, Tag
from opsin.services.base.meaning import Meaning
from opsin.services.base.rows import WorkedOut
from opsin.services.base.workspace import Workspace
from opsin.settings import TagSettings

_log = logging.getLogger(__name__)


def joined(
    workspace: Workspace, reports: Sequence[Report], auto_tag: float | None, said: Mapping[str, bool] | None = None
) -> list[Tag]:
    """Return the tags that follow from the reports and from what people said (label -> present), sorted by label."""
    return follow(workspace.meaning, workspace.settings.tags, reports, auto_tag, said)


def follow(
    meaning: Meaning,
    limits: TagSettings,
    reports: Sequence[Report],
    auto_tag: float | None,
    said: Mapping[str, bool] | None,
) -> list[Tag]:
    """Return the tags that follow as labels mean by ``meaning``; see :func:`joined`."""
    lowest = auto_tag if auto_tag is not None else min(limits.threshold, *limits.labels.values(), 1.0)
    return tags_from(fuse(reports, scopes=meaning.scopes, above=lowest), meaning.labels, limits, auto_tag, said)


def tags_of(workspace: Workspace, connection: Connection, rows: Sequence[AssetRow]) -> dict[int, list[Tag]]:
    """Return the tags of each of these assets, by row, in a fixed number of queries."""
    reports = contents.reports_of(connection, {row.content_id for row in rows})
    people = assets.person_tags(connection, {row.row for row in rows})
    return {row.row: joined(workspace, reports[row.content_id], row.auto_tag, people[row.row]) for row in rows}


def store(
    connection: Connection, found: Mapping[int, Iterable[Tag]], *, new: Collection[int] = ()
) -> dict[int, frozenset[str]]:
    """Keep the tags of these assets, by row, and return the labels that they had. ``new`` assets had none."""
    return tags.put(connection, {row: [tag.label for tag in each] for row, each in found.items()}, new=new)


def say(
    workspace: Workspace, connection: Connection, said: Mapping[int, Mapping[str, bool]]
) -> tuple[dict[int, list[Tag]], dict[int, frozenset[str]]]:
    """Store a person's word about labels of assets (row -> label -> present), with the tags that follow.

    :returns: these tags, and the labels that the assets had, by row.
    """
    for row, labels in said.items():
        assets.set_person_tags(connection, [row], labels)
    after = tags_of(workspace, connection, list(assets.by_rows(connection, said).values()))
    return after, store(connection, after)


def rows_with(workspace: Workspace, labels: Collection[str]) -> dict[str, BitMap]:
    """Return for each of these labels the rows of the assets that have it."""
    if (fresh := renew(workspace)) is not None:
        return {label: fresh.get(label, BitMap()) for label in labels}
    with workspace.catalogue.read() as connection:
        return tags.rows_with(connection, labels)


def all_rows(workspace: Workspace) -> Mapping[str, BitMap]:
    """Return every label that an asset has, with the rows of those that have it."""
    if (fresh := renew(workspace)) is not None:
        return fresh
    with workspace.catalogue.read() as connection:
        return tags.all_rows(connection)


def renew(workspace: Workspace) -> Mapping[str, BitMap] | None:
    """Make the stored tags again where they follow from other rules than the present ones.

    Where the library is open for reading only, they are returned instead of stored, and kept until somebody writes;
    otherwise None.
    """
    rules = workspace.meaning.rules
    with workspace.catalogue.read() as connection:
        if tags.rules(connection) == rules:
            return None
    if not workspace.readonly:
        rebuild_tags(workspace)
        return None
    version = workspace.catalogue.version()  # before anything is read: what is committed meanwhile is read again
    kept = workspace.worked_out
    if kept is None or (kept.version, kept.rules) != (version, rules):
        with workspace.catalogue.read() as connection:
            kept = workspace.worked_out = WorkedOut(version, rules, computed(workspace, connection))
        if kept.rows:
            _log.warning(
                "settings or vocabularies changed since the tags were stored: they were worked out for this process "
                "alone, `opsin index rebuild` stores them"
            )
    return kept.rows


def rebuild_tags(workspace: Workspace) -> None:
    """Make the stored tags again from the reports and what people said."""
    with workspace.catalogue.write() as connection:
        tags.replace(connection, computed(workspace, connection), workspace.meaning.rules)


def computed(workspace: Workspace, connection: Connection) -> dict[str, BitMap]:
    """Work out the tags of every asset: label -> rows."""
    found: dict[str, BitMap] = defaultdict(BitMap)
    for rows in assets.every(connection):
        for row, each in tags_of(workspace, connection, rows).items():
            for tag in each:
                found[tag.label].add(row)
    return dict(found)


def settle(workspace: Workspace, rules: str, done: Collection[int]) -> None:
    """Note that all tags follow by ``rules`` where ``done``, the contents whose tags were stored by them, are all there are."""
    with workspace.catalogue.write() as connection:
        if rules == workspace.meaning.rules != tags.rules(connection) and len(done) == contents.count(connection)[0]:
            tags.set_rules(connection, rules)
