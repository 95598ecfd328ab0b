"""Looking after the index and the bitmaps of tags: both follow from the catalogue and can be made again."""

from __future__ import annotations

import msgspec
import numpy as np

from opsin.catalogue import assets, contents
from opsin.services.tagging import rebuild_tags
from opsin.services.workspace import Workspace


class IndexStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the index is. ``vectors`` counts rows; ``tail`` are those that the snapshot lacks."""

    assets: int
    vanished: int
    contents: int
    vectors: int
    indexed: int
    tail: int
    dim: int
    space: str
    encoder: str
    path: str
    bytes: int


def index_status(workspace: Workspace) -> IndexStatus:
    """Return the numbers of the index beside those of the catalogue."""
    index = workspace.index
    with workspace.catalogue.read() as connection:
        total, vanished = assets.count(connection)
        stored, vectors = contents.count(connection)
    path = workspace.layout.index
    return IndexStatus(
        assets=total,
        vanished=vanished,
        contents=stored,
        vectors=vectors,
        indexed=len(index),
        tail=int((index.ids() > index.mark).sum()),
        dim=index.dim,
        space=index.space,
        encoder=workspace.encoder,
        path=str(path),
        bytes=path.stat().st_size if path.exists() else 0,
    )


def verify_index(workspace: Workspace) -> list[str]:
    """Compare every vector of the index with the catalogue and return what is wrong, one sentence each."""
    from opsin_index import Index, VectorIndexError

    found: list[str] = []
    index = workspace.index
    if workspace.layout.index.exists():
        try:
            with Index.open(workspace.layout.index, readonly=True) as snapshot:
                snapshot.verify()
        except VectorIndexError as error:
            found.append(str(error))
    expected = 0
    with workspace.catalogue.read() as connection:
        for rows, vectors in contents.vectors_after(connection, 0):
            expected += len(rows)
            missing = [int(row) for row in rows if int(row) not in index]
            if missing:
                found.append(f"{len(missing)} vectors are not in the index, the first is row {missing[0]}")
                continue
            wrong = np.flatnonzero(np.abs(index.vectors_of(rows) - vectors).max(axis=1) > 1e-3)
            if len(wrong):
                found.append(f"{len(wrong)} vectors differ from the catalogue, the first is row {rows[wrong[0]]}")
    if len(index) > expected:
        found.append(f"{len(index) - expected} vectors are in the index but not in the catalogue")
    return found


def rebuild_index(workspace: Workspace) -> int:
    """Make the index and the bitmaps of tags again from the catalogue; return the number of vectors."""
    workspace.forget_index()
    workspace.snapshot()
    rebuild_tags(workspace)
    return len(workspace.index)
