"""Search: what a query finds is ranked, scored, cut off and shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from opsin.catalogue.assets import AssetRow
from opsin.fusion.cutoff import Background, Scale
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace
from opsin.services.finding.facets import Facets
from opsin.services.finding.filters import rows_matching
from opsin.services.finding.query import MOST, Part, Query, Vector, query_vector, read_cursor, validate, write_cursor
from opsin.services.finding.ranking import Found, nearest_assets, tagged_rows
from opsin.services.finding.views import AssetView, view_assets

_WINDOW = 50
"""So many assets with the tag that a query names, the nearest first, are put in the order of their scores at once."""


class PartReason(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a query has to do with a hit: ``similarity`` is its own cosine with it, -1..1.

    The shares of all parts add up to the similarity of the hit: each is the part's cosine times its weight, divided by the
    part's spread and by the length of the sum of all.
    """

    kind: str
    weight: float
    similarity: float
    share: float


class Reasons(msgspec.Struct, frozen=True, kw_only=True):
    """Where the place of a hit comes from.

    ``cutoff`` is the similarity that scores 0.5, None where nothing is cut off. Of a hybrid search: ``looks``,
    ``words`` and ``tags`` are the places in these rankings, from 1, None where it is not in one; ``points`` is the sum of
    1 / (60 + place), by which the hits are sorted.
    """

    parts: tuple[PartReason, ...]
    cutoff: float | None
    looks: int | None = None
    words: int | None = None
    tags: int | None = None
    points: float | None = None


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One asset that was found.

    ``score``: 0..1, 0.5 at the cut-off; ``similarity``: cosine with the query, -1..1; ``frame``: the number,
    in the file, of the frame that fits best, from 0; ``tag``: the tag of the asset that the query names, if it names
    one, whose score counts where it is the higher one; ``reasons``: where its place comes from, if that was asked for.
    """

    asset: AssetView
    score: float
    similarity: float
    frame: int
    tag: str | None = None
    reasons: Reasons | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Hits, best first. ``cursor`` continues, None at the end. ``nearest`` is the best score, also of what was cut off.

    ``cutoff`` says what the scores, and what was cut off, go by: the encoder's measured "background"; "rare things", a
    rule for encoders that bring none, which nobody measured for this one; None where nothing was cut off.
    ``facets`` counts all that is found, where that was asked for.
    """

    hits: tuple[Hit, ...]
    cursor: str | None
    nearest: float | None
    cutoff: Literal["background", "rare things"] | None = None
    facets: Facets | None = None


def search(workspace: Workspace, query: Query) -> Page:
    """Return the page of assets that fit ``query`` best.

    :raises UsageError: for an empty query, a limit outside 1..1000 or a cursor of another query.
    """
    validate(query)
    return search_by(workspace, query, query_vector(workspace, query.parts))


def search_by(workspace: Workspace, query: Query, vector: Vector) -> Page:
    """Return the page of assets that fit ``query`` best, whose unit vector (dim,) is known already."""
    scale = scale_of(workspace, vector[None], [query.parts])
    seen = read_cursor(query)
    end = seen + query.limit
    chosen = rows_matching(workspace, query.where) if query.where else None
    names = labels_named(workspace, query.parts)
    tagged = tagged_rows(workspace, names, chosen) if names else BitMap()
    named = nearest_assets(workspace, vector, _window(end) + 1, within=tagged) if tagged else []
    found = [*named, *nearest_assets(workspace, vector, end + 1 - len(named), within=chosen, without=tagged)]
    similarities = np.array([each.similarity for each in found], np.float32)
    scores = scale.scores(similarities)
    keep = len(found) if query.everything else len(named) + int((scores[len(named) :] >= query.least).sum())
    # what carries the tag is put in order by whole windows, so that the order is the same for every size of a page
    first = seen // _WINDOW * _WINDOW if seen < len(named) else seen
    last = min(keep, _window(end) if end < len(named) else end)
    views = view_assets(workspace, [each.asset for each in found[first:last]])
    hits = [
        hit_of(each, float(score), view, names)
        for each, score, view in zip(found[first:last], scores[first:last], views, strict=True)
    ]
    placed = sorted(enumerate(hits, first), key=lambda entry: _rank(entry[0], entry[1], len(named)))
    return Page(
        hits=tuple(hit for _, hit in placed[seen - first : end - first]),
        cursor=write_cursor(query, end) if keep > end else None,
        nearest=max([float(scores.max()), *(hit.score for hit in hits)]) if found else None,
        cutoff=cutoff_of(workspace, scale),
    )


def cutoff_of(workspace: Workspace, scale: Scale) -> Literal["background", "rare things"] | None:
    """Return what scores go by: see :class:`Page`."""
    if scale.bare.all():
        return None
    return "background" if len(workspace.ready().encoder.background()) else "rare things"


def scale_of(workspace: Workspace, queries: NDArray[np.float32], parts: Sequence[Sequence[Part]]) -> Scale:
    """Return how similarities with ``queries``, unit rows (n, dim) made of these ``parts``, become scores."""
    encoder = workspace.ready().encoder
    scale = Background.of(encoder.background()).scale(queries, [_kinds(each) for each in parts])
    bar = workspace.unmeasured.bar(encoder, workspace.index)
    # where the rare things stand is known for plain words only: examples and what is taken away lie elsewhere
    return scale if bar is None else scale.barred(bar, np.array([_is_words(each) for each in parts]))


def rows_found(workspace: Workspace, query: Query, vector: Vector) -> tuple[BitMap, bool]:
    """Return the assets that ``query`` finds, whatever the page, and whether these are all.

    They are all that carry the tag which it names, and of the others up to 1,000, the nearest.
    """
    chosen = rows_matching(workspace, query.where) if query.where else None
    names = labels_named(workspace, query.parts)
    tagged = tagged_rows(workspace, names, chosen) if names else BitMap()
    near = nearest_assets(workspace, vector, MOST, within=chosen, without=tagged)
    scores = scale_of(workspace, vector[None], [query.parts]).scores(
        np.array([each.similarity for each in near], np.float32)
    )
    kept = len(near) if query.everything else int((scores >= query.least).sum())
    return tagged | BitMap([each.asset.row for each in near[:kept]]), kept < MOST


def _rank(place: int, hit: Hit, named: int) -> tuple[int, float]:
    """Return by what the hit at ``place`` of all is sorted: the first ``named`` by window, then score, the rest stay."""
    return (place // _WINDOW, -hit.score) if place < named else (place, 0.0)


def _window(place: int) -> int:
    """Return the end of the window that ``place`` ends in."""
    return -(-place // _WINDOW) * _WINDOW


def labels_named(workspace: Workspace, parts: Sequence[Part]) -> frozenset[str]:
    """Return the labels that a query names, where it is nothing but words that are looked for."""
    return workspace.meaning.named_by(str(parts[0].value)) if _is_words(parts) else frozenset()


def _is_words(parts: Sequence[Part]) -> bool:
    """Whether a query is nothing but words that are looked for."""
    return len(parts) == 1 and parts[0].kind == "text" and parts[0].weight > 0


def _kinds(parts: Sequence[Part]) -> set[str]:
    """Return what a query is made of, "text", "picture" or both, as the cut-off depends on it."""
    return {"text" if part.kind == "text" else "picture" for part in parts}


def hit_of(found: Found, score: float, view: AssetView, names: Collection[str]) -> Hit:
    """Return a hit, which scores as much as the tag that the query names, where it has it and that scores more."""
    tag = max((tag for tag in view.tags if tag.label in names), key=lambda tag: tag.score, default=None)
    return Hit(
        asset=view,
        score=round(max(score, tag.score if tag else 0.0), 4),
        similarity=round(found.similarity, 4),
        frame=found.frame,
        tag=tag.label if tag else None,
    )


def similar(workspace: Workspace, row: AssetRow, limit: int) -> tuple[Hit, ...]:
    """Return the assets that look most like one asset, itself left out, best first."""
    checked.whole(limit, "limit", 0, MOST - 1)
    query = Query(parts=(Part("asset", row.id),), limit=limit + 1, everything=True)
    return tuple(hit for hit in search(workspace, query).hits if hit.asset.id != row.id)[:limit]
