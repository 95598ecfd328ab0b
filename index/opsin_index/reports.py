"""What the index says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """``removed`` rows still take memory; ``unsaved`` says that the snapshot on disk is older than the memory."""

    rows: int
    removed: int
    segments: int
    sketched_segments: int
    dim: int
    space: str
    mark: int
    unsaved: bool
    memory_bytes: int
    snapshot_bytes: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What `Index.verify` read and found whole."""

    rows: int
    mark: int
    snapshot_bytes: int
