"""The answer of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: The id that fills places for which there was no row; it is never the id of a row.
MISSING: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Hits:
    """``ids`` uint32 (q, k) and ``scores`` float32 (q, k): cosines, best first, equal scores by ascending id.

    Where fewer than k rows could be found, the places at the end of a row hold ``MISSING`` and ``-inf``.
    """

    ids: NDArray[np.uint32]
    scores: NDArray[np.float32]

    @property
    def found(self) -> NDArray[np.int64]:
        """How many places of each query are filled: int64 (q,)."""
        return np.asarray((self.ids != np.uint32(MISSING)).sum(axis=1), dtype=np.int64)
