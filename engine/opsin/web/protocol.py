"""HTTP/1.1 as uvicorn speaks it with h11; what is no HTTP is answered as a problem, as all else is."""

from __future__ import annotations

import asyncio
import sys

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from opsin.catalogue.ids import new_id
from opsin.errors import BodyTooSlow, HeadTooLarge, OpsinError, UsageError
from opsin.web.problems import PROBLEM, describe


def protocol(patience: float) -> type[H11Protocol]:
    """Return the protocol that waits for the head of a request for at most ``patience`` seconds, as for a body."""
    return type("PatientProtocol", (Protocol,), {"patience": patience})


class Protocol(H11Protocol):
    """h11's own words say what is wrong, and with which status; the connection ends with the answer."""

    patience: float
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_a_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wait_no_longer()

    def _wait_for_a_head(self) -> None:
        """Wait from when the connection is there, or from the first byte of the next request; no byte makes it longer."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_longer()
        elif self._waiting is None and not self.transport.is_closing():
            self._waiting = self.loop.call_later(self.patience, self._head_too_late)

    def _wait_no_longer(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _head_too_late(self) -> None:
        self._waiting = None
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            self._refuse(BodyTooSlow(f"the head took more than {self.patience:g} seconds (serve.body_timeout)"))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        error = sys.exc_info()[1]
        too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        told = "address and headers together are too long" if too_large else f"this is no HTTP request: {error or msg}"
        self._refuse(HeadTooLarge(told) if too_large else UsageError(told))

    def _refuse(self, error: OpsinError) -> None:
        found = describe(error, new_id())
        body = msgspec.json.encode(found)
        headers = [
            (b"content-type", PROBLEM.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", (found.request_id or "").encode()),
        ]
        # Where the answer to an earlier part of this request has begun, nothing more can be said.
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            events = (h11.Response(status_code=found.status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
            self.transport.writelines([self.conn.send(event) or b"" for event in events])
        self.transport.close()
