"""Search: words, pictures and assets, each with a weight, become one query vector; what it finds is cut off and shown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap
from sqlalchemy import select

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.tables import embedding
from opsin.errors import UnknownName, UsageError
from opsin.fusion.cutoff import Background
from opsin.services import checked
from opsin.services.analyse import analyse
from opsin.services.filters import Condition, rows_matching
from opsin.services.views import AssetView, view_assets
from opsin.services.workspace import Workspace

Vector = NDArray[np.float32]
MOST = 1000
"""Hits of one page."""
_HEAVIEST = 1e6


class Part(msgspec.Struct, frozen=True):
    """One part of a query: a text, the bytes of a picture or an asset's id. A negative weight pushes away."""

    kind: Literal["text", "picture", "asset"]
    value: str | bytes
    weight: float = 1.0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to search for. ``everything`` shows also what the cut-off holds for no match."""

    parts: tuple[Part, ...]
    where: tuple[Condition, ...] = ()
    limit: int = 20
    cursor: str | None = None
    everything: bool = False


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One asset that was found.

    ``score``: 0..1, 0.5 at the cut-off; ``similarity``: cosine with the query, -1..1; ``frame``: the number,
    in the file, of the frame that fits best, from 0.
    """

    asset: AssetView
    score: float
    similarity: float
    frame: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Hits, best first. ``cursor`` continues, None at the end. ``nearest`` is the best score, also of what was cut off."""

    hits: tuple[Hit, ...]
    cursor: str | None
    nearest: float | None


class _Found(msgspec.Struct, frozen=True):
    content_id: int
    frame: int
    similarity: float


def search(workspace: Workspace, query: Query) -> Page:
    """Return the page of assets that fit ``query`` best.

    :raises UsageError: for an empty query, a limit outside 1..1000 or a cursor of another query.
    """
    if not query.parts:
        raise UsageError("say what to search for: words, --like a picture, or both")
    for part in query.parts:
        checked.number(part.weight, "a weight", -_HEAVIEST, _HEAVIEST)
        if not isinstance(part.value, bytes):
            checked.text(part.value, "what is searched for")
        if part.kind == "text" and not str(part.value).strip():
            raise UsageError("these words are empty: say what to search for")
    checked.whole(query.limit, "limit", 1, MOST)
    if query.cursor is not None:
        checked.text(query.cursor, "cursor")
    background = Background.of(workspace.ready().encoder.background())
    vector = _query_vector(workspace, query.parts, background)
    kinds = {"text" if part.kind == "text" else "picture" for part in query.parts}
    seen = _read_cursor(query)
    found = _ranked(workspace, vector, query, seen + query.limit + 1)
    scores = background.scores(vector, np.array([f.similarity for f, _ in found], np.float32), kinds)
    keep = len(found) if query.everything else int((scores >= 0.5).sum())
    shown = list(zip(found, scores, strict=True))[seen : min(keep, seen + query.limit)]
    views = view_assets(workspace, [row for (_, row), _ in shown])
    hits = tuple(
        Hit(asset=view, score=round(float(score), 4), similarity=round(f.similarity, 4), frame=f.frame)
        for ((f, _), score), view in zip(shown, views, strict=True)
    )
    more = keep > seen + query.limit
    return Page(
        hits=hits,
        cursor=_write_cursor(query, seen + query.limit) if more else None,
        nearest=float(scores[0]) if len(scores) else None,
    )


def similar(workspace: Workspace, row: AssetRow, limit: int) -> tuple[Hit, ...]:
    """Return the assets that look most like one asset, itself left out, best first."""
    checked.whole(limit, "limit", 0, MOST - 1)
    query = Query(parts=(Part("asset", row.id),), limit=limit + 1, everything=True)
    return tuple(hit for hit in search(workspace, query).hits if hit.asset.id != row.id)[:limit]


def _query_vector(workspace: Workspace, parts: Sequence[Part], background: Background) -> Vector:
    """Return the unit vector (dim,) of the weighted parts.

    Each of several parts is divided by the spread of its similarities over the background: words and pictures differ in
    how far their similarities reach (Liang et al. 2022, "Mind the Gap"), and a weight of 1 has to mean the same for both.
    """
    texts = [str(part.value) for part in parts if part.kind == "text"]
    encoded = iter(workspace.ready().encoder.encode_texts(texts)) if texts else iter(())
    total: Vector | None = None
    for part in parts:
        vector = next(encoded) if part.kind == "text" else _picture_vector(workspace, part)
        spread = background.spread(vector) if len(parts) > 1 else 1.0
        weighted = (vector * (part.weight / spread)).astype(np.float32)
        total = weighted if total is None else total + weighted
    length = 0.0 if total is None else float(np.linalg.norm(total))
    if total is None or length < 1e-9:  # the parts cancel each other
        raise UsageError("the parts of this query cancel each other: nothing is left to search for")
    return total / np.float32(length)


def _picture_vector(workspace: Workspace, part: Part) -> Vector:
    if isinstance(part.value, bytes):
        frames = [features["embedding"] for features in analyse(workspace, part.value).analysis.features]
        vectors = np.stack(frames).astype(np.float32)
    else:
        with workspace.catalogue.read() as connection:
            row = one_asset(assets.resolve(connection, part.value), part.value)
            ids = connection.execute(select(embedding.c.row).where(embedding.c.content_id == row.content_id)).scalars()
            rows = np.array(sorted(ids), np.uint32)
        vectors = workspace.index.vectors_of(rows)
    mean: Vector = vectors.mean(axis=0)
    return mean / np.linalg.norm(mean)


def one_asset(found: Sequence[AssetRow], name: str) -> AssetRow:
    """Return the only asset that ``name`` can mean.

    :raises UnknownName: where there is none, or more than one.
    """
    if not found:
        msg = f"there is no asset {name!r}: give an id, a path or a file name (`opsin list` shows them)"
        raise UnknownName(msg)
    if len(found) > 1:
        msg = f"{name!r} may mean {', '.join(row.location for row in found[:5])}: give the path or the id"
        raise UnknownName(msg)
    return found[0]


def _ranked(workspace: Workspace, vector: Vector, query: Query, wanted: int) -> list[tuple[_Found, AssetRow]]:
    """Return the ``wanted`` best assets, best first; the frames of a content count as their best one."""
    index = workspace.index
    allowed, chosen = _allowed(workspace, query.where)
    depth = wanted + 32
    while True:
        hits = index.search(vector[None, :], min(depth, max(1, len(index))), allowed)
        rows, similarities = hits.ids[0], hits.scores[0]
        valid = np.isfinite(similarities)
        found = _assets_of(workspace, rows[valid], similarities[valid], chosen)
        if len(found) >= wanted or valid.sum() < depth or depth >= len(index):
            return found[:wanted]
        depth *= 4


def _allowed(workspace: Workspace, where: Sequence[Condition]) -> tuple[NDArray[np.uint32] | None, BitMap | None]:
    """Return the embedding rows and the asset rows that the conditions leave, None where there is no condition."""
    if not where:
        return None, None
    chosen = rows_matching(workspace, where)
    with workspace.catalogue.read() as connection:
        return workspace.rows.vectors_of(connection, chosen), chosen


def _assets_of(
    workspace: Workspace, rows: NDArray[np.uint32], similarities: Vector, chosen: BitMap | None
) -> list[tuple[_Found, AssetRow]]:
    best: dict[int, _Found] = {}
    with workspace.catalogue.read() as connection:
        frames = contents.frames_of(connection, [int(row) for row in rows])
        for row, similarity in zip(rows, similarities, strict=True):
            content_id, frame = frames[int(row)]
            best.setdefault(content_id, _Found(content_id, frame, float(similarity)))
        named = assets.of_contents(connection, list(best))
    return [
        (found, row)
        for found in best.values()
        for row in named[found.content_id]
        if (row.row in chosen if chosen is not None else row.vanished_at is None)
    ]


def _fingerprint(query: Query) -> str:
    plain = msgspec.structs.replace(query, cursor=None, limit=1)
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:8]


def _write_cursor(query: Query, seen: int) -> str:
    return base64.urlsafe_b64encode(f"{_fingerprint(query)}:{seen}".encode()).decode().rstrip("=")


def _read_cursor(query: Query) -> int:
    if not query.cursor:
        return 0
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        fingerprint, seen = base64.urlsafe_b64decode(padded).decode().split(":")
        if fingerprint == _fingerprint(query) and int(seen) >= 0:
            return int(seen)
    except ValueError:
        pass
    raise UsageError("this cursor belongs to another query: begin again without it")
