"""Matrix products of a few rows in the calling thread, for plugins that compute beside networks which use every core."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGE_BATCH = 64
ONE_THREAD = 1 << 18  # multiplications that OpenBLAS does in the calling thread (interface/gemm.c)


def product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``left @ right``, float32 (n, k) times (k, m), without waking OpenBLAS's threads for up to 64 rows.

    OpenBLAS's pool spins while it waits, which on cores that decode and infer makes 16 x 512 x 550 last 20 ms instead of
    1 (2 cores). The columns are taken in parts that are small enough to stay in the calling thread.
    """
    import numpy as np

    rows, inner = left.shape
    if rows > LARGE_BATCH:
        return np.asarray(left @ right, np.float32)
    out = np.empty((rows, right.shape[1]), np.float32)
    step = max(1, ONE_THREAD // max(1, rows * inner))
    for start in range(0, right.shape[1], step):
        np.matmul(left, right[:, start : start + step], out=out[:, start : start + step])
    return out
