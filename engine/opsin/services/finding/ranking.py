"""The assets whose pictures lie nearest to a query vector, and those that carry a tag."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from opsin.catalogue import assets, contents, tags
from opsin.catalogue.assets import AssetRow
from opsin.services.base.tagging import rows_with
from opsin.services.base.workspace import Workspace

_SPARE = 8
"""Vectors asked for beyond the assets wanted: several may be frames of one picture."""


class Found(msgspec.Struct, frozen=True):
    """One asset with its cosine with the query, -1..1, and the number in the file of the frame that has it."""

    asset: AssetRow
    similarity: float
    frame: int


def tagged_rows(workspace: Workspace, labels: AbstractSet[str], within: BitMap | None) -> BitMap:
    """Return the assets that have one of these labels as a tag, of those ``within``, else (None) of all still there.

    Words that no vocabulary knows can only be what people said, which is stored as they said it: for these the tags are
    not made again where the rules changed, which takes a reader long.
    """
    worked_out = rows_with(workspace, labels) if labels & workspace.meaning.labels.keys() else None
    with workspace.catalogue.read() as connection:
        found = tags.rows_with(connection, labels) if worked_out is None else worked_out
        tagged = BitMap.union(BitMap(), *found.values())
        if within is None and tagged:
            within = workspace.rows.present(connection)
    return tagged if within is None else tagged & within


def nearest_assets(
    workspace: Workspace,
    vector: NDArray[np.float32],
    wanted: int,
    *,
    within: BitMap | None = None,
    without: BitMap | None = None,
) -> list[Found]:
    """Return the ``wanted`` assets nearest to the unit ``vector`` (dim,), nearest first.

    The frames of a picture count as the nearest of them. ``within`` are the assets to choose from, None those still
    there; ``without`` are passed over.
    """
    if wanted < 1:
        return []
    allowed = None
    if within is not None:
        with workspace.catalogue.read() as connection:
            allowed = workspace.rows.vectors_of(connection, within)
    index = workspace.index
    depth = wanted + _SPARE
    while True:
        hits = index.search(vector[None, :], min(depth, max(1, len(index))), allowed)
        rows, similarities = hits.ids[0], hits.scores[0]
        valid = np.isfinite(similarities)
        found = [
            each
            for each in _assets_of(workspace, rows[valid], similarities[valid])
            if (each.asset.row in within if within is not None else each.asset.vanished_at is None)
            and (without is None or each.asset.row not in without)
        ]
        if len(found) >= wanted or valid.sum() < depth or depth >= len(index):
            return found[:wanted]
        depth *= 4


def _assets_of(workspace: Workspace, rows: NDArray[np.uint32], similarities: NDArray[np.float32]) -> list[Found]:
    """Return every asset of the contents that these vectors belong to, in the order of the contents' first vectors."""
    best: dict[int, tuple[float, int]] = {}
    with workspace.catalogue.read() as connection:
        frames = contents.frames_of(connection, [int(row) for row in rows])
        for row, similarity in zip(rows, similarities, strict=True):
            if int(row) in frames:  # else it was erased since the index was asked
                content_id, frame = frames[int(row)]
                best.setdefault(content_id, (float(similarity), frame))
        named = assets.of_contents(connection, list(best))
    return [
        Found(asset, similarity, frame)
        for content_id, (similarity, frame) in best.items()
        for asset in named[content_id]
    ]
