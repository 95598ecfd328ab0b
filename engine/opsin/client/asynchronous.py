"""The client whose methods are awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar, Unpack

import httpx

from opsin.client import calls, uploads
from opsin.client.call import Call, Flow, Item, answer_of, step
from opsin.client.retrying import pause, unreachable
from opsin.client.sending import RETRIES, TIMEOUT, arguments, settings
from opsin.library import Added
from opsin.services.given import Picture
from opsin.services.taking import Said

P = ParamSpec("P")
T = TypeVar("T")
Outcomes = list[Added]  # said here: in the class, `list` is a method


def _answer(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    @functools.wraps(build)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = await asyncio.to_thread(build, *args, **kwargs)  # reads example pictures
        return await self.send(call)

    return method


def _items(build: Callable[P, Flow[T]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    @functools.wraps(build)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        flow = build(*args, **kwargs)
        found = await asyncio.to_thread(step, flow)  # reads the pictures that are sent next
        while found is not None:
            if isinstance(found, Item):
                yield found.value
                answer = None
            else:
                answer = await self.send(found)
            found = await asyncio.to_thread(step, flow, answer)

    return method


class AsyncClient:
    """A library behind `opsin serve`: an asynchronous context manager; :class:`opsin.client.Client` says the rest."""

    def __init__(self, url: str, key: str | None = None, *, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        """Remember where the service is; nothing is sent yet. ``timeout``: seconds without a sign of life."""
        self._http = httpx.AsyncClient(**settings(url, key, timeout))
        self._retries = retries

    version = _answer(calls.version)
    get = _answer(calls.get)
    called = _answer(calls.called)
    list = _items(calls.list_assets)
    page = _answer(calls.page)
    search = _answer(calls.search)
    find = _answer(calls.find)
    similar = _answer(calls.similar)
    tags = _answer(calls.tags)
    tag_details = _answer(calls.tag_details)
    tag = _answer(calls.tag)
    edit = _answer(calls.edit)
    delete = _answer(calls.delete)
    undelete = _answer(calls.undelete)
    reports = _answer(calls.reports)
    palette = _answer(calls.palette)
    duplicates_of = _answer(calls.duplicates_of)
    duplicates = _items(calls.duplicates)
    explain = _answer(calls.explain)
    original = _answer(calls.original)
    preview = _answer(calls.preview)
    add_each = _items(uploads.add_each)
    analyse = _items(uploads.analyse)

    async def add(self, *pictures: Picture, tags: Iterable[str] = (), **said: Unpack[Said]) -> Outcomes:
        """Add pictures, wait until all are durable and searchable, and return what became of each."""
        return [added async for added in self.add_each(*pictures, tags=tags, **said)]

    async def send(self, call: Call[T]) -> T:
        """Send one call and return its answer."""
        request = arguments(call)
        tries = 0
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._http.request(**request)
            except httpx.TransportError as error:
                outcome = error
            wait = pause(tries, self._retries, outcome)
            if wait is None:
                break
            await asyncio.sleep(wait)
            tries += 1
        if isinstance(outcome, httpx.TransportError):
            raise unreachable(self._http.base_url, outcome) from outcome
        return answer_of(call, outcome)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
