"""How many threads FAISS uses while one call of ours runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss


@contextmanager
def faiss_threads(count: int) -> Iterator[None]:
    """Set OpenMP's thread number for the calling thread, and set it back.

    `omp_set_num_threads` changes a value that OpenMP keeps for each operating-system thread (nthreads-var, OpenMP 5.2
    section 2.4), so what other threads do with faiss meanwhile is not affected.
    """
    before = faiss.omp_get_max_threads()
    if before == count:
        yield
        return
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
