"""Posts to a web address that a stranger may have named, and reads no more of the answer than is worth showing."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpcore
import msgspec

from opsin.errors import SourceUnavailable
from opsin.intake.calls import Caller, Resolve, header, parse, resolve
from opsin.settings import WebhookSettings

_SHOWN = 2048
"""Bytes of an answer that are read."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status, the beginning of the body, and after how many seconds it asks to be called again."""

    status: int
    text: str
    retry_after: float | None


class Poster:
    """Posts as :class:`Caller` calls: to public addresses only unless ``webhooks.allow_private``; no redirect is followed."""

    def __init__(
        self, settings: WebhookSettings, *, resolve: Resolve = resolve, backend: httpcore.NetworkBackend | None = None
    ) -> None:
        self._settings = settings
        self._caller = Caller(
            allow_private=settings.allow_private, setting="webhooks.allow_private", resolve=resolve, backend=backend
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and return the answer, whatever its status is.

        :raises SourceUnavailable: where the address may not be called, or does not answer within webhooks.timeout.
        """
        target = parse(url)
        deadline = time.monotonic() + self._settings.timeout
        try:
            with self._caller.call("POST", target, headers=headers, body=body, deadline=deadline) as response:
                text = bytearray()
                for part in response.iter_stream():
                    text += part
                    if len(text) >= _SHOWN:
                        break
                return Answer(
                    status=response.status,
                    text=bytes(text[:_SHOWN]).decode("utf-8", "replace"),
                    retry_after=_seconds(header(response, b"retry-after")),
                )
        except (httpcore.TimeoutException, TimeoutError) as error:
            msg = f"{target} did not answer within the {self._settings.timeout:g} s of webhooks.timeout."
            raise SourceUnavailable(msg) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
            msg = f"{target} cannot be reached: {str(error) or type(error).__name__}."
            raise SourceUnavailable(msg) from error


def _seconds(value: bytes) -> float | None:
    """Return what Retry-After asks for in seconds; as a date, which clocks disagree about, it counts as nothing."""
    return float(value) if value.isdigit() and len(value) < 7 else None
