"""The calls of a client about the service itself: which it is, whether it can work, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from opsin.client.call import Call, as_kind
from opsin.library import Ready


def version() -> Call[Mapping[str, str | None]]:
    """Return which Opsin the service is, the version of its API, and the encoder of its library.

    The encoder is None where the service has several libraries, and the key opens none.
    """
    return Call(method="GET", path="/v1/version", read=as_kind(dict[str, str | None]))


def ready() -> Call[Ready]:
    """Return whether the service can look at pictures by now, and what it waits for where it cannot."""
    return Call(method="GET", path="/v1/health/ready", read=as_kind(Ready), also=(503,))


def load() -> Call[None]:
    """Find out whether the service answers, and takes the key.

    :raises KeyRefused: where it does not.
    """
    told = version()

    def read(response: httpx.Response) -> None:
        told.read(response)

    return Call(method=told.method, path=told.path, read=read)


def metrics() -> Call[str]:
    """Return the numbers of the service and of its library, in the text format of Prometheus (0.0.4)."""
    return Call(method="GET", path="/metrics", read=lambda response: response.text)
