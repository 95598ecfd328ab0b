"""Which threads work on one call: FAISS gets one each, and segments are spread over a small pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import faiss

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def single_threaded_faiss() -> Iterator[None]:
    """Let FAISS use only the calling thread, and set its thread number back afterwards.

    `omp_set_num_threads` changes a value that OpenMP keeps for each operating-system thread (nthreads-var, OpenMP 5.2
    section 2.4), so what other threads do with faiss meanwhile is not affected.
    """
    before = faiss.omp_get_max_threads()
    if before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


class Workers:
    """Runs a function over items, in up to ``count`` threads; FAISS and numpy release the interpreter meanwhile."""

    def __init__(self, count: int) -> None:
        # Never shut down by hand: its threads end when the last search that uses it has let go of it.
        self._pool = ThreadPoolExecutor(count, "opsin-index", faiss.omp_set_num_threads, (1,)) if count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        if self._pool is None or len(items) < 2:
            return [function(item) for item in items]
        return list(self._pool.map(function, items))
