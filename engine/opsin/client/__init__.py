"""The client of `opsin serve`, for Python: what a library can do, asked over HTTP.

:class:`Client` waits for each answer, :class:`AsyncClient` is awaited; both have the methods of an open library, with the
same options and answers, and raise the same errors.
"""

from __future__ import annotations

from opsin.client.asynchronous import AsyncClient
from opsin.client.synchronous import Client

__all__ = ["AsyncClient", "Client"]
