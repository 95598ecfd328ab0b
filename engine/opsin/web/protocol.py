"""HTTP/1.1 as uvicorn speaks it with h11; what is no HTTP is answered as a problem, as all else is."""

from __future__ import annotations

import sys

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from opsin.catalogue.ids import new_id
from opsin.errors import HeadTooLarge, UsageError
from opsin.web.problems import PROBLEM, describe


class Protocol(H11Protocol):
    """h11's own words say what is wrong, and with which status; the connection ends with the answer."""

    def send_400_response(self, msg: str) -> None:
        error = sys.exc_info()[1]
        too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        told = "address and headers together are too long" if too_large else f"this is no HTTP request: {error or msg}"
        found = describe(HeadTooLarge(told) if too_large else UsageError(told), new_id())
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
