"""What both clients share of sending: the connection's settings, the headers, and the request that a call makes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from opsin.client.call import Call
from opsin.errors import UsageError
from opsin.version import VERSION

TIMEOUT = 120.0
"""Seconds until a service that says nothing counts as gone: adding several pictures to a busy one takes a while."""
RETRIES = 5
_KEY = re.compile(r"[\x21-\x7e]+")


def settings(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    """Return how the connection to a service is set up.

    :raises UsageError: for what is no address of a service, or cannot be a key.
    """
    try:
        place = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        msg = f"{str(url)[:200]!r} is no address of a service ({error}): write it as http://127.0.0.1:8484"
        raise UsageError(msg) from error
    if place.scheme not in {"http", "https"} or not place.host:
        msg = f"{str(url)[:200]!r} is no address of a service: write it as http://127.0.0.1:8484"
        raise UsageError(msg)
    if key is not None and not _KEY.fullmatch(key):
        raise UsageError(
            "what is given as the key cannot be one: a key has letters and digits, and no space or line end"
        )
    headers = {"User-Agent": f"opsin/{VERSION}"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    return {"base_url": place, "headers": headers, "timeout": timeout}


def once_key(call: Call[Any]) -> Mapping[str, str]:
    """Return the header by which the tries of a call that changes something are known to be one."""
    return {"Idempotency-Key": str(uuid.uuid4())} if call.changes else {}


def built(http: httpx.Client | httpx.AsyncClient, call: Call[Any], once: Mapping[str, str]) -> httpx.Request:
    """Return the request that a call makes.

    :raises UsageError: where something of it cannot be sent, such as a name of half a character or of a megabyte.
    """
    try:
        return http.build_request(
            call.method,
            call.path,
            params=call.params,
            json=call.json,
            data=call.data,
            files=call.files or None,
            headers={**call.headers, **once},
        )
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        msg = f"this cannot be sent to a service: {error}"
        raise UsageError(msg) from error
