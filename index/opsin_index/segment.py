"""A fixed number of rows: the buffers that the writer fills, and the frozen part of them that a reader sees.

Rows are written once, behind what any reader sees, and never moved. What changes (how many rows are published, which
of them are removed) stands in `Part`, which is replaced, not changed; so readers need no lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray

from opsin_index.checks import Bitmap, Listed
from opsin_index.sketch import Sketch

#: Rows a segment holds: an exact scan of one takes about a millisecond at 512 dimensions.
SEGMENT_ROWS: Final = 16_384

Ids = NDArray[np.uint32]
Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]
Halves = NDArray[np.float16]


def _fp16(dim: int) -> faiss.IndexScalarQuantizer:
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def scan_rows(rows: Halves, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], Slots]:
    """Exact cosines of the k best of ``rows`` (n, dim), and their positions: both (q, k), k <= n."""
    index = _fp16(rows.shape[1])
    index.add_sa_codes(np.ascontiguousarray(rows).view(np.uint8))
    scores, positions = index.search(queries, k)
    return scores, positions


class Segment:
    """Room for `SEGMENT_ROWS` fp16 rows and their ids."""

    def __init__(self, dim: int) -> None:
        self._index = _fp16(dim)
        self._index.codes.resize(SEGMENT_ROWS * self._index.code_size)
        self._index.ntotal = SEGMENT_ROWS
        # A view into FAISS' own memory, which is sized once, here, and lives as long as this object.
        memory = faiss.rev_swig_ptr(self._index.codes.data(), SEGMENT_ROWS * self._index.code_size)
        self.rows: Halves = memory.view(np.float16).reshape(SEGMENT_ROWS, dim)
        self.ids: Ids = np.zeros(SEGMENT_ROWS, dtype=np.uint32)

    def scan(
        self, queries: NDArray[np.float32], k: int, count: int, usable: Mask | None
    ) -> tuple[NDArray[np.float32], Slots]:
        """Exact cosines and slots (q, k) among the first ``count`` rows, or those marked in ``usable`` (count,)."""
        # FAISS keeps bare pointers to the selector and its bits: both must live, under names, until the search is over.
        selector: faiss.IDSelector | None = None
        if usable is not None:
            bits = np.packbits(usable, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        elif count < SEGMENT_ROWS:
            selector = faiss.IDSelectorRange(0, count)
        params = faiss.SearchParameters()
        params.sel = selector
        scores, slots = self._index.search(queries, k, params=params)
        return scores, slots


@dataclass(frozen=True, slots=True)
class Part:
    """What a reader sees of a segment: its first ``count`` rows without those marked in ``dead`` (SEGMENT_ROWS,).

    ``low`` and ``high`` enclose the ids; ``ascending`` says that ids rise with the slots, each standing once.
    """

    segment: Segment
    count: int = 0
    removed: int = 0
    dead: Mask | None = None
    low: int = 0
    high: int = 0
    ascending: bool = True
    sketch: Sketch | None = None

    @property
    def live(self) -> int:
        return self.count - self.removed

    @property
    def ids(self) -> Ids:
        """The ids of all slots, those of removed rows too: (count,)."""
        return self.segment.ids[: self.count]

    def alive(self) -> Mask | None:
        """Which slots hold a row (count,); None where all do."""
        return None if self.dead is None else ~self.dead[: self.count]

    def live_slots(self) -> Slots:
        return np.arange(self.count) if self.dead is None else np.flatnonzero(~self.dead[: self.count])

    def locate(self, wanted: Ids) -> tuple[Slots, Slots]:
        """Slots of those ``wanted`` ids (sorted, distinct) that are here, and their positions in ``wanted``."""
        nothing = np.empty(0, dtype=np.int64)
        if self.live == 0 or len(wanted) == 0:
            return nothing, nothing
        start = int(np.searchsorted(wanted, np.uint32(self.low)))
        stop = int(np.searchsorted(wanted, np.uint32(self.high), side="right"))
        if start == stop:
            return nothing, nothing
        near = wanted[start:stop]
        if self.ascending:
            at = np.searchsorted(self.ids, near)
            hit = self.ids[at] == near
            slots, positions = at[hit], np.flatnonzero(hit)
        else:
            at = np.minimum(np.searchsorted(near, self.ids), len(near) - 1)
            slots = np.flatnonzero(near[at] == self.ids)
            positions = at[slots]
        if self.dead is not None:
            alive = ~self.dead[slots]
            slots, positions = slots[alive], positions[alive]
        return slots, positions + start

    def usable(self, allowed: Listed | Bitmap | None) -> Mask | None:
        """Which slots hold a row that is in ``allowed`` (count,); None where all do."""
        if allowed is None:
            return self.alive()
        if isinstance(allowed, Listed):
            chosen = np.zeros(self.count, dtype=np.bool_)
            chosen[self.locate(allowed.ids)[0]] = True
            return chosen
        packed = allowed.bits
        if self.ascending and self.high - self.low + 1 == self.count:  # consecutive ids: no look-up for each row
            first = self.low // 8
            bits = np.unpackbits(packed[first : self.high // 8 + 1], bitorder="little")[self.low - 8 * first :]
            chosen = np.zeros(self.count, dtype=np.bool_)
            chosen[: min(len(bits), self.count)] = bits[: self.count]
        else:
            byte = self.ids >> np.uint32(3)
            inside = byte < len(packed)
            chosen = inside.copy()
            chosen[inside] = (packed[byte[inside]] >> (self.ids[inside] & np.uint32(7)).astype(np.uint8)) & 1 == 1
        return chosen if self.dead is None else chosen & ~self.dead[: self.count]

    def without(self, slots: Slots) -> Part:
        """Return the same part after the rows at ``slots`` (live ones) are removed."""
        if len(slots) == 0:
            return self
        dead = np.zeros(SEGMENT_ROWS, dtype=np.bool_) if self.dead is None else self.dead.copy()
        dead[slots] = True
        return replace(self, dead=dead, removed=self.removed + len(slots))

    def extended(self, ids: Ids, rows: Halves) -> Part:
        """Return the same part with rows appended; they must fit. Only the writer calls it, on its newest part."""
        stop = self.count + len(ids)
        self.segment.rows[self.count : stop] = rows
        self.segment.ids[self.count : stop] = ids
        low, high = int(ids.min()), int(ids.max())
        rising = len(ids) == 1 or bool((ids[1:] > ids[:-1]).all())
        if self.count:
            rising = rising and self.ascending and int(ids[0]) > self.high
            low, high = min(low, self.low), max(high, self.high)
        return replace(self, count=stop, low=low, high=high, ascending=rising)
