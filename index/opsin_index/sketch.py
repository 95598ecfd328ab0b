"""Sketches of a full segment, four bits a dimension: they name the rows that may be near a query, without reading the rows.

Product quantization (Jegou, Douze and Schmid, PAMI 2011) with one dimension a sub-quantizer, scanned by the in-register
look-ups of FAISS' `IndexPQFastScan` (Andre, Kermarrec and Le Scouarnec, ICMR 2017).
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray

#: Below this many dimensions a sketch says too little, and an exact scan is cheap.
MIN_DIM: Final = 64
#: The seed of the rotation; sketches that were stored stand by it.
_SEED: Final = 20240613
_BITS: Final = 4
#: The positive half of the 16 levels that quantize a standard normal variable best (Max, IRE 1960, table I).
_LEVELS: Final = (0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733)


class Rotation:
    """A random rotation, the same for all segments, that makes every dimension nearly normal, and none of them special."""

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

    def __init__(self, index: faiss.IndexPQFastScan) -> None:
        self._index = index

    @classmethod
    def of(cls, rows: NDArray[np.float16], rotation: Rotation) -> Sketch:
        turned = rotation.apply(rows.astype(np.float32))
        dim = turned.shape[1]
        index = faiss.IndexPQFastScan(dim, dim, _BITS, faiss.METRIC_INNER_PRODUCT)
        # Rotated coordinates are nearly normal, so that the best levels are known: k-means would take seconds.
        levels = np.array([*(-level for level in reversed(_LEVELS)), *_LEVELS], dtype=np.float32)
        centroids = turned.mean(axis=0)[:, None] + turned.std(axis=0)[:, None] * levels
        faiss.copy_array_to_vector(np.ascontiguousarray(centroids, dtype=np.float32).ravel(), index.pq.centroids)
        index.pq.sync_transposed_centroids()  # coding is four times as fast with them
        index.is_trained = True
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
        if not isinstance(index, faiss.IndexPQFastScan) or index.d != dim or index.ntotal != count:
            return None
        return cls(index)
