"""What `opsin_index` exports: a small, strict vector index on FAISS that knows nothing of pictures.

Importing this package loads neither numpy nor faiss; the first use of a name does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsin_index.errors import (
        BadIds,
        BadSearch,
        BadVectors,
        IndexBusy,
        IndexClosed,
        IndexExists,
        IndexMissing,
        ReadOnly,
        SnapshotDamaged,
        SnapshotMismatch,
        UnknownIds,
        VectorIndexError,
    )
    from opsin_index.hits import MISSING, Hits
    from opsin_index.index import Index
    from opsin_index.reports import Stats, Verified

__all__ = [
    "MISSING",
    "BadIds",
    "BadSearch",
    "BadVectors",
    "Hits",
    "Index",
    "IndexBusy",
    "IndexClosed",
    "IndexExists",
    "IndexMissing",
    "ReadOnly",
    "SnapshotDamaged",
    "SnapshotMismatch",
    "Stats",
    "UnknownIds",
    "VectorIndexError",
    "Verified",
]

_HOMES = {"Index": "index", "Stats": "reports", "Verified": "reports", "Hits": "hits", "MISSING": "hits"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module 'opsin_index' has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    return getattr(importlib.import_module(f"opsin_index.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
