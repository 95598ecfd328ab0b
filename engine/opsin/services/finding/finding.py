"""Finding assets by a query: by looks alone, or mixed with words; where the place of each hit comes from, and facets."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap
from sqlalchemy import select

from opsin.catalogue.tables import asset, embedding
from opsin.services.base.workspace import Workspace
from opsin.services.finding import facets
from opsin.services.finding.mixing import Mixed, mix, page_of
from opsin.services.finding.query import Query, joined_vector, query_parts, validate
from opsin.services.finding.search import Page, PartReason, Reasons, rows_found, scale_of, search_by

Vector = NDArray[np.float32]


def find(workspace: Workspace, query: Query) -> Page:
    """Return the page of assets that fit ``query`` best.

    :raises UsageError: for an empty query, a limit outside 1..1000, a cursor of another query, or a hybrid one without words.
    """
    validate(query)
    rows, weights = query_parts(workspace, query.parts)
    vector = joined_vector(rows, weights)
    mixed = mix(workspace, query, vector) if query.hybrid else None
    page = search_by(workspace, query, vector) if mixed is None else page_of(workspace, query, vector, mixed)
    if query.explain:
        page = _with_reasons(workspace, query, page, (rows, weights), mixed)
    if query.facets:
        found, complete = (
            rows_found(workspace, query, vector) if mixed is None else (BitMap(mixed.ranks), mixed.complete)
        )
        page = msgspec.structs.replace(page, facets=facets.count(workspace, found, query.facets, complete=complete))
    return page


def _with_reasons(
    workspace: Workspace, query: Query, page: Page, parts: tuple[NDArray[np.float32], Vector], mixed: Mixed | None
) -> Page:
    """Return the page with the reasons of each hit."""
    rows, weights = parts
    vector = joined_vector(rows, weights)
    length = float(np.linalg.norm((rows * weights[:, None]).sum(axis=0)))
    cutoff = _cutoff(workspace, query, vector)
    wanted = {(hit.asset.id, hit.frame) for hit in page.hits}
    own = embedding.c.content_id == asset.c.content_id
    columns = (
        select(asset.c.id, asset.c.row, embedding.c.frame, embedding.c.row).select_from(asset).join(embedding, own)
    )
    with workspace.catalogue.read() as connection:
        known = connection.execute(columns.where(asset.c.id.in_({each for each, _ in wanted}))).all()
    places = {(each, frame): (row, number) for each, row, frame, number in known if (each, frame) in wanted}
    hits = []
    for hit in page.hits:
        place = places.get((hit.asset.id, hit.frame))
        if place is None:  # it was erased since it was found
            continue
        row, number = place
        (frame,) = workspace.index.vectors_of(np.array([number], np.uint32)).astype(np.float32)
        near = rows @ frame
        reasons = Reasons(
            parts=tuple(
                PartReason(
                    kind=part.kind,
                    weight=part.weight,
                    similarity=round(float(cosine), 4),
                    share=round(float(cosine * weight) / length, 4),
                )
                for part, cosine, weight in zip(query.parts, near, weights, strict=True)
            ),
            cutoff=cutoff,
        )
        if mixed is not None:
            reasons = msgspec.structs.replace(reasons, **msgspec.structs.asdict(mixed.ranks[row]))
        hits.append(msgspec.structs.replace(hit, reasons=reasons))
    return msgspec.structs.replace(page, hits=tuple(hits))


def _cutoff(workspace: Workspace, query: Query, vector: Vector) -> float | None:
    """Return the similarity that scores 0.5, None where nothing is cut off."""
    scale = scale_of(workspace, vector[None], [query.parts])
    return None if scale.bare.all() else round(float(scale.middle[0]), 4)
