"""The errors that the index raises, as one tree.

VectorIndexError
├── BadVectors       wrong shape or dtype, not finite, not of unit length
├── BadIds           wrong shape or dtype, twice in one call, out of range
│   └── UnknownIds   asked for the vector of an id that is not stored
├── BadSearch        a k or a selection that cannot be used
├── IndexMissing     there is no snapshot at this path
├── IndexExists      there is one already
├── IndexBusy        another writer has it open
├── IndexClosed      used after close()
├── ReadOnly         a reader was asked to write
└── SnapshotDamaged  the file is truncated, altered, or not a snapshot
    └── SnapshotMismatch  it is whole, but of another dim or space than asked for
"""

from __future__ import annotations


class VectorIndexError(Exception):
    """The root: ``str(error)`` says what is wrong and what to do."""


class BadVectors(VectorIndexError, ValueError):
    pass


class BadIds(VectorIndexError, ValueError):
    pass


class UnknownIds(BadIds):
    """``ids`` are the ones that are not stored (at most 10 of them)."""

    def __init__(self, message: str, *, ids: tuple[int, ...]) -> None:
        super().__init__(message)
        self.ids = ids


class BadSearch(VectorIndexError, ValueError):
    pass


class IndexMissing(VectorIndexError, FileNotFoundError):
    pass


class IndexExists(VectorIndexError, FileExistsError):
    pass


class IndexBusy(VectorIndexError, RuntimeError):
    pass


class IndexClosed(VectorIndexError, RuntimeError):
    pass


class ReadOnly(VectorIndexError, RuntimeError):
    pass


class SnapshotDamaged(VectorIndexError, ValueError):
    pass


class SnapshotMismatch(SnapshotDamaged):
    pass
