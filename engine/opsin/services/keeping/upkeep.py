"""Looking after the index and the bitmaps of tags: both follow from the catalogue and can be made again."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from pyroaring import BitMap

from opsin.catalogue import assets, contents
from opsin.services.base.tagging import rebuild_tags
from opsin.services.base.workspace import Workspace


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


class _Differences(NamedTuple):
    """Rows of vectors that the index lacks, holds otherwise than the catalogue, or holds alone."""

    missing: BitMap
    wrong: BitMap
    surplus: BitMap

    def __and__(self, other: _Differences) -> _Differences:
        return _Differences(*(mine & theirs for mine, theirs in zip(self, other, strict=True)))


def verify_index(workspace: Workspace) -> list[str]:
    """Compare every vector of the index with the catalogue and return what is wrong, one sentence each.

    What differs is looked at twice: what came or went while somebody writes differs in one of the looks only.
    """
    from opsin_index import Index, VectorIndexError

    found: list[str] = []
    if workspace.layout.index.exists():
        try:
            with Index.open(workspace.layout.index, readonly=True) as snapshot:
                snapshot.verify()
        except VectorIndexError as error:
            found.append(str(error))
    differences = _differences(workspace)
    if any(differences):
        differences &= _differences(workspace)
    told = ("are not in the index", "differ from the catalogue", "are in the index but not in the catalogue")
    for rows, what in zip(differences, told, strict=True):
        if rows:
            found.append(f"{len(rows)} vectors {what}, the first is row {rows.min()}")
    return found


def _differences(workspace: Workspace) -> _Differences:
    index = workspace.index
    held = BitMap(index.ids())
    stored, wrong = BitMap(), BitMap()
    with workspace.catalogue.read() as connection:
        for rows, vectors in contents.vectors_after(connection, 0):
            stored.update(rows)
            there = np.array([int(row) in held for row in rows])
            if there.any():
                far = np.abs(index.vectors_of(rows[there]) - vectors[there]).max(axis=1) > 1e-3
                wrong.update(rows[there][far])
    return _Differences(missing=stored - held, wrong=wrong, surplus=held - stored)


def rebuild_index(workspace: Workspace) -> int:
    """Make the index and the bitmaps of tags again from the catalogue; return the number of vectors."""
    workspace.indexed.forget()
    workspace.indexed.snapshot()
    rebuild_tags(workspace)
    return len(workspace.index)
