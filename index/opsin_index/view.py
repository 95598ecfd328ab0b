"""One consistent state of the index, frozen: what a search reads, and how the writer makes the next one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from opsin_index.segment import SEGMENT_ROWS, Halves, Ids, Part, Segment, Slots
from opsin_index.sketch import MIN_DIM, Rotation, Sketch


@dataclass(frozen=True, slots=True)
class View:
    """The parts in the order of their making; only the last one may have room left."""

    dim: int
    parts: tuple[Part, ...] = ()

    def __len__(self) -> int:
        return sum(part.live for part in self.parts)

    def ids(self) -> Ids:
        """All ids, ascending."""
        live = [part.ids[part.live_slots()] for part in self.parts]
        return np.sort(np.concatenate(live)) if live else np.empty(0, dtype=np.uint32)

    def locate(self, wanted: Ids) -> Iterator[tuple[int, Slots, Slots]]:
        """For each part that has some of the sorted ``wanted``: its number, their slots, their positions."""
        for number, part in enumerate(self.parts):
            slots, positions = part.locate(wanted)
            if len(slots):
                yield number, slots, positions

    def rows_of(self, wanted: Ids) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the rows of the sorted ``wanted`` ids (n, dim) and which of them are stored (n,)."""
        rows = np.zeros((len(wanted), self.dim), dtype=np.float32)
        known = np.zeros(len(wanted), dtype=np.bool_)
        for number, slots, positions in self.locate(wanted):
            rows[positions] = self.parts[number].segment.rows[slots]
            known[positions] = True
        return rows, known

    def without(self, wanted: Ids) -> tuple[View, int]:
        """Return the state after the sorted ``wanted`` ids are removed, and how many of them there were."""
        parts = list(self.parts)
        removed = 0
        for number, slots, _ in self.locate(wanted):
            parts[number] = parts[number].without(slots)
            removed += len(slots)
        return (replace(self, parts=tuple(parts)), removed) if removed else (self, 0)

    def extended(self, ids: Ids, rows: Halves, rotation: Rotation) -> View:
        """Return the state after rows of new ids are appended."""
        parts = list(self.parts)
        start = 0
        while start < len(ids):
            if not parts or parts[-1].sketch is not None or parts[-1].count == SEGMENT_ROWS:
                parts.append(Part(Segment(self.dim)))
            stop = min(len(ids), start + SEGMENT_ROWS - parts[-1].count)
            parts[-1] = parts[-1].extended(ids[start:stop], rows[start:stop])
            start = stop
            if parts[-1].count == SEGMENT_ROWS:
                parts[-1] = _finished(parts[-1], rotation)
        return replace(self, parts=tuple(parts))

    def compacted(self, rotation: Rotation) -> View:
        """Return the state after full parts that are mostly removed rows gave up their memory; no row changes."""
        keep: list[Part] = []
        move: list[Part] = []
        for part in self.parts:
            thin = part.count == SEGMENT_ROWS and part.live < SEGMENT_ROWS // 2
            (move if thin else keep).append(part)
        if not move:
            return self
        view = replace(self, parts=tuple(keep))
        for part in move:
            slots = part.live_slots()
            view = view.extended(part.ids[slots], part.segment.rows[slots], rotation)
        return view

    def sketched(self, rotation: Rotation) -> View:
        """Return the state with a sketch for every full part that lacks one."""
        parts = [
            _sketched(part, rotation) if part.sketch is None and part.count == SEGMENT_ROWS else part
            for part in self.parts
        ]
        return replace(self, parts=tuple(parts))


def _finished(part: Part, rotation: Rotation) -> Part:
    """Give a part that has become full its sketch, or room again where enough of its rows were removed."""
    if part.removed >= SEGMENT_ROWS // 4:
        slots = part.live_slots()
        fresh = Part(Segment(part.segment.rows.shape[1]))
        return fresh.extended(part.ids[slots], part.segment.rows[slots]) if len(slots) else fresh
    return _sketched(part, rotation)


def _sketched(part: Part, rotation: Rotation) -> Part:
    """Give a full part its sketch, where the vectors are long enough for one."""
    dim = part.segment.rows.shape[1]
    return part if dim < MIN_DIM else replace(part, sketch=Sketch.of(part.segment.rows[: part.count], rotation))
