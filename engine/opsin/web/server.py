"""Runs the service with uvicorn: one process, one or several libraries, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable, Sequence

import uvicorn

from opsin.errors import UsageError
from opsin.library import Library
from opsin.web.access import MOST_HEAD
from opsin.web.app import create_app
from opsin.web.protocol import protocol
from opsin.web.reception import Reception
from opsin.web.tls import Certificate

_DRAIN = 30
"""Seconds that requests under way have to end."""
_IDLE = 75
"""Seconds that a connection is kept on which nothing is asked: longer than usual clients (httpx 5) and proxies (nginx 60) keep
theirs, else some request would be sent just as its connection is closed."""
_TURN = 0.001
"""Seconds that a thread may compute while others wait to (Python's own: 0.005). A search hands over a dozen times."""
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Says when it listens, and when it begins to stop."""

    def __init__(
        self, app: Reception, config: uvicorn.Config, listening: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._app = app
        self._listening = listening
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        self._app.ending()
        left = self._app.under_way
        _log.info("stopping: %d requests under way are answered first, for at most %d seconds", left, _DRAIN)
        await super().shutdown(sockets)
        left = self._app.under_way
        _log.log(logging.WARNING if left else logging.INFO, "stopped listening: %d requests were left unanswered", left)


def serve(
    libraries: Sequence[Library],
    *,
    host: str,
    port: int,
    listening: Callable[[str], None],
    stopping: Callable[[], None],
    certificate: Certificate | None = None,
) -> None:
    """Serve ``libraries`` until SIGINT or SIGTERM; requests under way are answered first.

    ``listening`` is called with the URL once it can be asked, ``stopping`` when it begins to stop. What a signal does
    besides is the caller's: it is raised again when all is done.

    :raises UsageError: where nothing can listen at this place, the certificate cannot be used, or ``libraries`` cannot be
        served together.
    """
    if certificate is not None:
        certificate.check()
    sys.setswitchinterval(_TURN)
    app = create_app(*libraries, loaded=_spare_the_collector)
    with listen(host, port) as sock:
        found = sock.getsockname()
        scheme = "http" if certificate is None else "https"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{found[1]}"
        config = uvicorn.Config(
            app,
            http=protocol(app.patience),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MOST_HEAD,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=_DRAIN,
            ssl_certfile=None if certificate is None else certificate.chain,
            ssl_keyfile=None if certificate is None else certificate.key,
        )
        _Server(app, config, lambda: listening(url), stopping).run(sockets=[sock])


def _spare_the_collector() -> None:
    """Take what is there out of garbage collections, as it stays: these would hold all threads for a tenth of a second."""
    gc.collect()
    gc.freeze()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    What it accepts sends at once: an answer goes as head and body, and the body would else wait until the head was
    acknowledged, which a client that asks again on the same connection puts off by 40 ms. (asyncio sees to that only
    for sockets that say which protocol they speak, which these do not.)

    :raises UsageError: where nothing can listen at this place.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.create_server((host, port), family=family, backlog=2048)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError, UnicodeError) as error:
        msg = f"cannot listen on {host}, port {port} ({getattr(error, 'strerror', None) or error}): choose another --port or --host"
        raise UsageError(msg) from error
    return made
