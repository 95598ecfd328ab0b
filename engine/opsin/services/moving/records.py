"""What is known of each asset, to be taken out of a library: one record an asset, and its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from pyroaring import BitMap

from opsin.catalogue import assets, contents, features
from opsin.catalogue.assets import AssetRow
from opsin.model import Report
from opsin.services.base.tagging import joined
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import Condition, rows_matching
from opsin.services.finding.views import AssetView, asset_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = tuple[AssetRow, list[int], NDArray[np.float32]]

_PAGE = 500


class Record(AssetView, frozen=True, kw_only=True):
    """One asset with everything that is known of it.

    ``said`` is what people said of labels (True = attached, False = removed for good); ``auto_tag`` is the threshold of
    this asset's tags, None = as set; ``reports`` are what each categorizer said of its content.
    """

    said: Mapping[str, bool]
    auto_tag: float | None
    reports: Sequence[Report]


def records(workspace: Workspace, where: Sequence[Condition]) -> Iterator[Record]:
    """Yield the assets that meet all conditions, in the order in which they were added.

    Those whose pictures vanished come, too, unless a condition asks about that: what people said of them is not lost.
    """
    for page in _pages(workspace, where):
        yield from _records(workspace, page)


def vectors(workspace: Workspace, where: Sequence[Condition]) -> Iterator[Vectors]:
    """Yield each asset with the numbers of its frames in the file and their embeddings, float32 (frames, dim)."""
    for page in _pages(workspace, where):
        with workspace.catalogue.read() as connection:
            found = features.of_contents(connection, {row.content_id for row in page}, {})
            numbers = contents.frame_numbers(connection, found)
        for row in page:
            if frames := found[row.content_id]:
                yield row, numbers[row.content_id], np.stack([frame["embedding"] for frame in frames])


def count(workspace: Workspace, where: Sequence[Condition]) -> int:
    """Return how many records there are."""
    return len(_rows(workspace, where))


def _rows(workspace: Workspace, where: Sequence[Condition]) -> BitMap:
    asked = any(condition.field == "vanished" for condition in where)
    return rows_matching(workspace, where if asked else (*where, Condition("vanished", "=", ("any",))))


def _pages(workspace: Workspace, where: Sequence[Condition]) -> Iterator[list[AssetRow]]:
    rows = list(_rows(workspace, where))
    for start in range(0, len(rows), _PAGE):
        with workspace.catalogue.read() as connection:
            found = assets.by_rows(connection, rows[start : start + _PAGE])
        yield [found[row] for row in sorted(found)]


def _records(workspace: Workspace, page: Sequence[AssetRow]) -> Iterator[Record]:
    with workspace.catalogue.read() as connection:
        reports = contents.reports_of(connection, {row.content_id for row in page})
        people = assets.person_tags(connection, {row.row for row in page})
    for row in page:
        mine, said = reports[row.content_id], people[row.row]
        view = asset_view(row, joined(workspace, mine, row.auto_tag, said))
        yield Record(**msgspec.structs.asdict(view), said=said, auto_tag=row.auto_tag, reports=mine)
