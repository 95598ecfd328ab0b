"""What all handlers of one library share: the library, its keys, the threads that work for requests, its readiness."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from litestar.types import Receive

from opsin.errors import BodyTooSlow, ClientGone, OpsinError, Overloaded
from opsin.library import Library, keys
from opsin.web.rates import Rates

T = TypeVar("T")
_QUICK = 8
"""Threads for searches, lists and the like: few, so that they do not stand in each other's way."""
LOADING = "the models are being loaded"
_log = logging.getLogger(__name__)


class Service:
    """One library as it is served. Nothing of it blocks the event loop."""

    def __init__(self, library: Library, *, turn: threading.Lock, loaded: Callable[[], None]) -> None:
        """``turn`` is held while the models are loaded; ``loaded`` is called when they are."""
        self.library = library
        self._turn = turn
        self._loaded = loaded
        self.settings = library.settings
        self.keys = keys(library.path)
        self.rates = Rates(self.settings.serve.rate_limit)
        self._quick = ThreadPoolExecutor(_QUICK, thread_name_prefix="opsin-web")
        self._pictures = ThreadPoolExecutor(self.settings.serve.uploads, thread_name_prefix="opsin-web-pictures")
        self._long = ThreadPoolExecutor(1, thread_name_prefix="opsin-web-long")
        self._taken = 0
        self._long_taken = False
        self._loading = threading.Thread(target=self._load, name="opsin-web-load")
        self._delivering = library.webhooks.delivering()
        self._working = library.jobs.working()
        self._scheduling = library.jobs.scheduling()
        self.ending = False
        self.missing: str | None = LOADING

    @property
    def taken(self) -> int:
        """How many requests with pictures are under way."""
        return self._taken

    def start(self) -> None:
        """Begin to load the models, for which requests wait that need them, to deliver what happens, and to do jobs."""
        self._loading.start()
        self._delivering.start()
        self._working.start()
        self._scheduling.start()

    def _load(self) -> None:
        try:
            with self._turn:
                self.library.load()
        except OpsinError as error:
            self.missing = str(error)
            _log.error("the models of %s cannot be loaded: %s", self.library.path, error)
        else:
            _log.info("the models of %s are loaded", self.library.path)
            self._loaded()
            self.missing = None

    def stop(self) -> None:
        """Wait for what is under way."""
        if self._loading.ident is not None:
            self._loading.join()
        self._pictures.shutdown()
        self._quick.shutdown()
        self._long.shutdown()
        self._scheduling.stop()
        self._working.stop()
        self._delivering.stop()

    async def run(self, work: Callable[[], T]) -> T:
        """Run something quick in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, work)

    async def run_pictures(self, work: Callable[[], T]) -> T:
        """Run something that looks at pictures in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pictures, work)

    async def run_long(self, work: Callable[[Callable[[object], None]], T], receive: Receive) -> T:
        """Run something that takes as long as the library is large, one at a time, so that all else goes on beside it.

        ``work`` is given what it calls after each piece, which ends it where ``receive`` says that the caller has gone.

        :raises Overloaded: where such work is under way.
        :raises ClientGone: where it ended so.
        """
        if self._long_taken:
            raise Overloaded("a question about all pictures is being answered: ask again when it is")
        self._long_taken = True
        gone = threading.Event()
        watch = asyncio.create_task(_watch(receive, gone))

        def step(_: object) -> None:
            if gone.is_set():
                raise ClientGone("the client went away before it was answered")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._long, lambda: work(step))
        finally:
            watch.cancel()
            gone.set()
            self._long_taken = False

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place for a request with pictures, from before its body is read until it is answered.

        :raises Overloaded: where all places are taken.
        """
        most = self.settings.serve.uploads
        if self._taken >= most:
            msg = f"{most} requests with pictures are under way (serve.uploads): ask again in a moment"
            raise Overloaded(msg, limit="serve.uploads")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def _watch(receive: Receive, gone: threading.Event) -> None:
    """Say when a client leaves that waits for its answer."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass  # what it sends is not asked for
    except BodyTooSlow:
        return
    except ClientGone:
        pass
    gone.set()
