"""One-bit sketches of a full segment: they name the rows that may be near a query, without reading the rows.

RaBitQ (Gao and Long, SIGMOD 2024) as FAISS' `IndexRaBitQFastScan` has it: one bit a dimension and 8 bytes a row.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray

#: Below this many dimensions a bit a dimension says too little, and an exact scan is cheap.
MIN_DIM: Final = 64
_SEED: Final = 20240613


class Rotation:
    """A random rotation, the same for all segments, that spreads what a vector says evenly over its dimensions."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    @cached_property
    def _matrix(self) -> faiss.RandomRotationMatrix:
        matrix = faiss.RandomRotationMatrix(self._dim, self._dim)
        matrix.init(_SEED)
        return matrix

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rotate rows (n, dim); the first call makes the rotation."""
        turned: NDArray[np.float32] = self._matrix.apply(rows)
        return turned


class Sketch:
    """The sketches of one segment's rows, in their order; never changed once made."""

    def __init__(self, index: faiss.IndexRaBitQFastScan) -> None:
        self._index = index

    @classmethod
    def of(cls, rows: NDArray[np.float16], rotation: Rotation) -> Sketch:
        turned = rotation.apply(rows.astype(np.float32))
        index = faiss.IndexRaBitQFastScan(rows.shape[1], faiss.METRIC_INNER_PRODUCT)
        index.train(turned)
        index.add(turned)
        return cls(index)

    def nearest(self, turned: NDArray[np.float32], reach: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Estimated cosines float32 (q, reach), falling, and slots int64 (q, reach), for rotated queries."""
        estimates, slots = self._index.search(turned, reach)
        return estimates, slots

    def dump(self) -> NDArray[np.uint8]:
        data: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return data

    @classmethod
    def load(cls, data: NDArray[np.uint8], *, dim: int, count: int) -> Sketch | None:
        """From `dump`; None where this FAISS cannot use it, and it has to be made again from the rows."""
        try:
            index = faiss.deserialize_index(data)
        except RuntimeError:
            return None
        if not isinstance(index, faiss.IndexRaBitQFastScan) or index.d != dim or index.ntotal != count:
            return None
        return cls(index)
