"""What both clients share of sending: the connection's settings, the headers, and the request that a call makes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx

from opsin.client.call import Call
from opsin.errors import UsageError
from opsin.version import VERSION

TIMEOUT = 120.0
"""Seconds until a service that says nothing counts as gone: adding several pictures to a busy one takes a while."""
RETRIES = 5
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
_KEY = re.compile(r"[\x21-\x7e]+")


def connection(kind: type[Http], url: str, key: str | None, timeout: float) -> Http:
    """Return the connections to a service; none is made yet.

    :raises UsageError: for what is no address of a service, or cannot be a key, and where the environment names
        certificates or a proxy that cannot be used.
    """
    place, headers = _place(url), _headers(key)
    try:
        trusted = httpx.create_ssl_context()
    except OSError as error:
        msg = f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}"
        raise UsageError(msg) from error
    # What is on this machine is asked without a proxy, which would be shown the key, and look for it on its own machine.
    mounts: dict[str, Any] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
    try:
        return kind(base_url=place, headers=headers, timeout=timeout, verify=trusted, mounts=mounts)
    except (httpx.InvalidURL, ValueError) as error:
        msg = f"the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used: {error}"
        raise UsageError(msg) from error


def _place(url: str) -> httpx.URL:
    """Return where the service is, also where its address is written with the /v1 that all its calls begin with."""
    try:
        place = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        msg = f"{str(url)[:200]!r} is no address of a service ({error}): write it as http://127.0.0.1:8484"
        raise UsageError(msg) from error
    if place.scheme not in {"http", "https"} or not place.host:
        msg = f"{str(url)[:200]!r} is no address of a service: write it as http://127.0.0.1:8484"
        raise UsageError(msg)
    return place.copy_with(path=place.path.rstrip("/").removesuffix("/v1") + "/")


def _headers(key: str | None) -> Mapping[str, str]:
    if key is not None and not _KEY.fullmatch(key):
        raise UsageError(
            "what is given as the key cannot be one: a key has letters and digits, and no space or line end"
        )
    return {"User-Agent": f"opsin/{VERSION}"} | ({} if key is None else {"Authorization": f"Bearer {key}"})


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
