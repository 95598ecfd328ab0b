"""How often a key may ask: a bucket of tokens for each, in the memory of this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from opsin.errors import TooManyRequests

_MINUTE = 60


class Rates:
    """Each key may ask ``limit`` times at once, and its bucket fills up again within a minute; 0: no limit.

    Answers tell of it as draft-ietf-httpapi-ratelimit-headers-10 says.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens, and when there were so many."""

    def take(self, key: str) -> Mapping[str, str]:
        """Take a token of ``key`` and return the headers that say how many are left.

        :raises TooManyRequests: where there is none; :meth:`headers` says the same.
        """
        if not self._limit:
            return {}
        left = self._left(key)
        if left < 1:
            after = math.ceil((1 - left) * _MINUTE / self._limit)
            msg = f"this key may ask {self._limit} times a minute (serve.rate_limit): ask again in {after} s"
            raise TooManyRequests(msg, after=after)
        self._buckets[key] = left - 1, self._clock()
        return self.headers(key)

    def headers(self, key: str) -> Mapping[str, str]:
        """Return what is left for ``key``, and in how many seconds the bucket is full again."""
        if not self._limit:
            return {}
        left = self._left(key)
        full = math.ceil((self._limit - left) * _MINUTE / self._limit)
        return {
            "RateLimit-Policy": f'"key";q={self._limit};w={_MINUTE}',
            "RateLimit": f'"key";r={int(left)};t={full}',
        }

    def _left(self, key: str) -> float:
        left, at = self._buckets.get(key, (float(self._limit), self._clock()))
        return min(self._limit, left + (self._clock() - at) * self._limit / _MINUTE)
