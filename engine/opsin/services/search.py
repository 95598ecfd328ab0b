"""Search: words, pictures and assets, each with a weight, become one query vector; what it finds is cut off and shown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap
from sqlalchemy import select

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.tables import embedding
from opsin.errors import UnknownName, UsageError
from opsin.fusion.cutoff import Background, Scale
from opsin.services import checked, facets
from opsin.services.analyse import analyse, vector_of
from opsin.services.facets import Facet, Facets
from opsin.services.filters import Condition, rows_matching
from opsin.services.given import Address, from_address
from opsin.services.ranking import Found, nearest_assets, tagged_rows
from opsin.services.unmeasured import usual_rows
from opsin.services.views import AssetView, view_assets
from opsin.services.workspace import Workspace

Vector = NDArray[np.float32]
MOST = 1000
"""Hits of one page."""
LONGEST_TEXT = 2000
"""Characters of all texts of a query together: encoders read the beginning of each, and each takes them time."""
_HEAVIEST = 1e6
LEAST = 0.5
"""The score of the cut-off."""
_WINDOW = 50
"""So many assets with the tag that a query names, the nearest first, are put in the order of their scores at once."""


class Part(msgspec.Struct, frozen=True):
    """One part of a query: a text, a picture's bytes or address, an asset's id, or a vector of the encoder's space.

    A negative weight pushes away.
    """

    kind: Literal["text", "picture", "asset", "vector"]
    value: str | bytes | Address | tuple[float, ...]
    weight: float = 1.0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to search for. ``least`` is the score of the cut-off; ``everything`` shows also what it holds for no match.

    ``hybrid``: pictures are found by what they are called and by their tags, too (:mod:`opsin.services.mixing`).
    ``explain``: each hit says where its place comes from. ``facets``: what is found is counted by these, too.
    """

    parts: tuple[Part, ...]
    where: tuple[Condition, ...] = ()
    limit: int = 20
    cursor: str | None = None
    everything: bool = False
    least: float = LEAST
    hybrid: bool = False
    explain: bool = False
    facets: tuple[Facet, ...] = ()


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


def validate(query: Query) -> None:
    """Check what a caller asks for.

    :raises UsageError: as :func:`search`.
    """
    check(query.parts)
    checked.whole(query.limit, "limit", 1, MOST)
    if query.cursor is not None:
        checked.text(query.cursor, "cursor")
    facets.validate(query.facets)


def check(parts: Sequence[Part]) -> None:
    """Check that there is something to search for.

    :raises UsageError: saying what is wrong.
    """
    if not parts:
        raise UsageError("say what to search for: words, --like a picture, or both")
    for part in parts:
        checked.number(part.weight, "a weight", -_HEAVIEST, _HEAVIEST)
        if part.kind in {"text", "asset"}:
            checked.text(part.value, "what is searched for")
        if part.kind == "text" and not str(part.value).strip():
            raise UsageError("these words are empty: say what to search for")
    length = sum(len(str(part.value)) for part in parts if part.kind == "text")
    if length > LONGEST_TEXT:
        msg = f"the texts of a query have at most {LONGEST_TEXT:,} characters together, not {length:,}: use fewer words"
        raise UsageError(msg)


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


def query_vector(workspace: Workspace, parts: Sequence[Part]) -> Vector:
    """Return the unit vector (dim,) of the weighted parts.

    :raises UsageError: where the parts cancel each other.
    """
    return joined_vector(*query_parts(workspace, parts))


def joined_vector(rows: NDArray[np.float32], weights: Vector) -> Vector:
    """Return the unit vector (dim,) of the sum of ``rows`` (n, dim), each times its weight (n,).

    :raises UsageError: where they cancel each other.
    """
    total = np.asarray((rows * weights[:, None]).sum(axis=0), np.float32)
    length = float(np.linalg.norm(total))
    if length < 1e-9:
        raise UsageError("the parts of this query cancel each other: nothing is left to search for")
    return total / np.float32(length)


def query_parts(workspace: Workspace, parts: Sequence[Part]) -> tuple[NDArray[np.float32], Vector]:
    """Return the unit vectors (n, dim) of the parts, and what each is multiplied with (n,).

    Each of several parts is divided by how far its similarities usually spread (:func:`usual_rows`): words and pictures differ in
    how far their similarities reach (Liang et al. 2022, "Mind the Gap"), and a weight of 1 has to mean the same for both.
    """
    encoder = workspace.ready().encoder
    texts = [str(part.value) for part in parts if part.kind == "text"]
    encoded = iter(encoder.encode_texts(texts)) if texts else iter(())
    rows = [next(encoded) if part.kind == "text" else _picture_vector(workspace, part) for part in parts]
    weights = [part.weight for part in parts]
    if len(parts) > 1:
        usual = Background.of(usual_rows(encoder, workspace.index))
        weights = [part.weight / usual.spread(row) for part, row in zip(parts, rows, strict=True)]
    return np.stack(rows).astype(np.float32), np.array(weights, np.float32)


def _picture_vector(workspace: Workspace, part: Part) -> Vector:
    if isinstance(part.value, tuple):
        return _given_vector(part.value, workspace.ready().encoder.dim)
    if not isinstance(part.value, str):
        data = part.value
        if isinstance(data, Address):
            data = from_address(data, workspace.settings).read(workspace.settings.decode.max_bytes)
        return vector_of(analyse(workspace, data))
    with workspace.catalogue.read() as connection:
        row = one_asset(assets.resolve(connection, part.value), part.value)
        ids = connection.execute(select(embedding.c.row).where(embedding.c.content_id == row.content_id)).scalars()
        rows = np.array(sorted(ids), np.uint32)
    mean: Vector = workspace.index.vectors_of(rows).mean(axis=0)
    return mean / np.linalg.norm(mean)


def _given_vector(value: tuple[float, ...], dim: int) -> Vector:
    """Return a caller's vector as a unit vector.

    :raises UsageError: where it has another length than those of the encoder, or no direction.
    """
    if len(value) != dim:
        msg = f"a vector of this library's encoder has {dim} numbers, not {len(value)}"
        raise UsageError(msg)
    vector = np.array(
        [checked.number(each, "a number of a vector", -_HEAVIEST, _HEAVIEST) for each in value], np.float64
    )
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise UsageError("this vector has no direction: all its numbers are 0")
    return np.asarray(vector / length, np.float32)


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


def _fingerprint(query: Query) -> str:
    plain = msgspec.structs.replace(query, cursor=None, limit=1, explain=False, facets=())
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:8]


def write_cursor(query: Query, seen: int) -> str:
    """Return the cursor of the page of ``query`` that begins behind ``seen`` hits."""
    return base64.urlsafe_b64encode(f"{_fingerprint(query)}:{seen}".encode()).decode().rstrip("=")


def read_cursor(query: Query) -> int:
    """Return how many hits come before the page of ``query``.

    :raises UsageError: where its cursor belongs to another query.
    """
    if not query.cursor:
        return 0
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        fingerprint, seen = base64.urlsafe_b64decode(padded).decode().split(":")
        if fingerprint == _fingerprint(query) and int(seen) >= 0:
            return int(seen)
    except ValueError:
        pass
    raise UsageError("this is no cursor, or one that belongs to another query: begin again without it")
