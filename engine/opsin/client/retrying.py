"""When a request is sent again, and after how long, by what happened."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from opsin.errors import Unreachable

AGAIN = frozenset({429, 502, 503, 504})
"""What a service answers that could not do it just now; 409 with Retry-After says so, too: it is still doing it."""
_FIRST = 0.25
_LONGEST = 30.0
"""Seconds between two tries, at the least and at the most, where the service does not say."""
_PATIENCE = 300.0
"""Seconds after which nobody waits for a service that says when to come again."""


def pause(
    tries: int, most: int, what: httpx.Response | httpx.RequestError, *, also: Collection[int] = ()
) -> float | None:
    """Return the seconds to wait before the next try, None where there is none; ``also`` are statuses that are answers.

    A service that says when to come again (Retry-After, in seconds or as a date) is believed: where that is more than
    five minutes, there is no next try. Otherwise the pause doubles each time, with jitter over its upper half, so that many
    clients do not come back at once. What this side cannot send is not sent again, nor is what it cannot unpack.
    """
    if tries >= most or isinstance(what, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.DecodingError):
        return None
    if isinstance(what, httpx.Response):
        if what.status_code in also or not _is_for_now(what):
            return None
        told = _told(what.headers)
        if told is not None:
            return told if told <= _PATIENCE else None
    longest = min(_FIRST * 2.0**tries, _LONGEST)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  nothing is kept secret by it


def _told(headers: httpx.Headers) -> float | None:
    """Return after how many seconds to come again by the headers of an answer, None where they do not say."""
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdecimal():
        return float(told)
    try:
        until = parsedate_to_datetime(told)
        sent = parsedate_to_datetime(headers["Date"]) if "Date" in headers else datetime.now(UTC)
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):  # no date, or one of the two without a zone
        return None


def _is_for_now(response: httpx.Response) -> bool:
    return response.status_code in AGAIN or (response.status_code == 409 and "Retry-After" in response.headers)


def unreachable(url: httpx.URL, error: httpx.RequestError) -> Unreachable:
    """Return the error for a service that does not answer."""
    told = str(error) or type(error).__name__
    place = url.copy_with(path="/", query=None)
    if "CERTIFICATE_VERIFY_FAILED" in told:
        return Unreachable(
            f"the certificate of {place} is not trusted ({told}): where it is of an authority of your own, "
            "set SSL_CERT_FILE to the file with that one's certificate"
        )
    return Unreachable(f"{place} does not answer ({told}): is `opsin serve` running there?")
