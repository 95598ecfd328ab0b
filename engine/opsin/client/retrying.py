"""When a request is sent again, and after how long: a pure function of what happened."""

from __future__ import annotations

import random

import httpx

from opsin.errors import Unreachable

AGAIN = frozenset({429, 502, 503, 504})
"""What a service answers that could not do it just now; 409 with Retry-After says so, too: it is still doing it."""
_FIRST = 0.25
_LONGEST = 30.0
"""Seconds between two tries, at the least and at the most."""


def pause(tries: int, most: int, what: httpx.Response | httpx.TransportError) -> float | None:
    """Return the seconds to wait before the next try, None where there is none.

    A service that says when to come again (Retry-After, in seconds) is believed; otherwise the pause doubles each time,
    with jitter over its upper half, so that many clients do not come back at once.
    """
    if tries >= most or (isinstance(what, httpx.Response) and not _is_for_now(what)):
        return None
    told = what.headers.get("Retry-After", "") if isinstance(what, httpx.Response) else ""
    if told.isdecimal():
        return min(float(told), _LONGEST)
    longest = min(_FIRST * 2.0**tries, _LONGEST)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  nothing is kept secret by it


def _is_for_now(response: httpx.Response) -> bool:
    return response.status_code in AGAIN or (response.status_code == 409 and "Retry-After" in response.headers)


def unreachable(url: httpx.URL, error: httpx.TransportError) -> Unreachable:
    """Return the error for a service that does not answer."""
    told = str(error) or type(error).__name__
    return Unreachable(
        f"{url.copy_with(path='/', query=None)} does not answer ({told}): is `opsin serve` running there?"
    )
