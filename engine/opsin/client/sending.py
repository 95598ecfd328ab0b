"""What both clients share of sending: the connection's settings, the headers, and the request that a call makes."""

from __future__ import annotations

import uuid
from typing import Any

from opsin.client.call import Call
from opsin.version import VERSION

TIMEOUT = 120.0
"""Seconds until a service that says nothing counts as gone: adding several pictures to a busy one takes a while."""
RETRIES = 5


def settings(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    """Return how the connection to a service is set up."""
    headers = {"User-Agent": f"opsin/{VERSION}"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    return {"base_url": url, "headers": headers, "timeout": timeout}


def arguments(call: Call[Any]) -> dict[str, Any]:
    """Return a call as arguments of ``httpx.Client.request``: the same for each try, so that it is done once."""
    return {
        "method": call.method,
        "url": call.path,
        "params": call.params,
        "json": call.json,
        "data": call.data,
        "files": call.files or None,
        "headers": {**call.headers, **({"Idempotency-Key": str(uuid.uuid4())} if call.changes else {})},
    }
