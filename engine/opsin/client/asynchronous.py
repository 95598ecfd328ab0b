"""The client whose methods are awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, Self, TypeVar, Unpack

import httpx

from opsin.client import calls, exports, insights, jobs, keys, labels, searches, service, uploads, webhooks
from opsin.client.call import Call, Flow, Item, answer_of, step
from opsin.client.events import Following, broken_off
from opsin.client.retrying import pause, unreachable
from opsin.client.sending import RETRIES, TIMEOUT, built, connection, once_key
from opsin.library import Added, Job
from opsin.services.assets.taking import Said
from opsin.services.looking.given import Picture

P = ParamSpec("P")
T = TypeVar("T")
Outcomes = list[Added]  # said here: in the class, `list` is a method


class Sends(Protocol):
    """What sends a call: a client, or a part of one."""

    async def send(self, call: Call[T]) -> T:
        """Send one call and return its answer."""

    def follow(self, stream: Following) -> AsyncGenerator[Job]:
        """Yield a job whenever it is further, until it is over."""


def _answer(build: Callable[P, Call[T]]) -> Callable[Concatenate[Sends, P], Awaitable[T]]:
    @functools.wraps(build)
    async def method(self: Sends, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = await asyncio.to_thread(build, *args, **kwargs)  # reads example pictures
        return await self.send(call)

    return method


def _items(build: Callable[P, Flow[T]]) -> Callable[Concatenate[Sends, P], AsyncGenerator[T]]:
    @functools.wraps(build)
    async def method(self: Sends, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        flow = build(*args, **kwargs)
        try:
            found = await asyncio.to_thread(step, flow)  # reads the pictures that are sent next
            while found is not None:
                if isinstance(found, Item):
                    yield found.value
                    answer = None
                else:
                    answer = await self.send(found)
                found = await asyncio.to_thread(step, flow, answer)
        finally:
            await asyncio.to_thread(flow.close)

    return method


def _result(build: Callable[P, Flow[T]]) -> Callable[Concatenate[Sends, P], Awaitable[T]]:
    """Return a method whose answer is the one item of a flow."""
    items = _items(build)

    @functools.wraps(build)
    async def method(self: Sends, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with aclosing(items(self, *args, **kwargs)) as found:
            return await anext(found)

    return method


def _events(build: Callable[P, Following]) -> Callable[Concatenate[Sends, P], AsyncGenerator[Job]]:
    @functools.wraps(build)
    def method(self: Sends, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Job]:
        return self.follow(build(*args, **kwargs))

    return method


class _Part:
    """Some of a client's methods, under a name of their own."""

    def __init__(self, client: Sends) -> None:
        self.send = client.send
        self.follow = client.follow


class Searches(_Part):
    """The saved searches of the library."""

    create = _answer(searches.create)
    save = _answer(searches.save)
    list = _items(searches.list_searches)
    get = _answer(searches.get)
    change = _answer(searches.change)
    delete = _answer(searches.delete)
    run = _answer(searches.run)


class Vocabularies(_Part):
    """The vocabularies of the library; what changes labels scores the library again."""

    list = _items(labels.list_vocabularies)
    get = _answer(labels.get)
    summaries = _answer(labels.summaries)
    disputed_words = _answer(labels.disputed_words)
    create = _answer(labels.create)
    add_shipped = _answer(labels.add_shipped)
    edit_label = _answer(labels.edit_label)
    remove_label = _answer(labels.remove_label)
    remove = _answer(labels.remove)
    try_add = _answer(labels.try_add)
    try_edit_label = _answer(labels.try_edit_label)
    try_remove_label = _answer(labels.try_remove_label)
    try_remove = _answer(labels.try_remove)


class Keys(_Part):
    """The keys of the library."""

    list = _answer(keys.list_keys)
    create = _answer(keys.create)
    revoke = _answer(keys.revoke)


class Webhooks(_Part):
    """Who is told of what happens."""

    create = _answer(webhooks.create)
    list = _answer(webhooks.list_webhooks)
    get = _answer(webhooks.get)
    change = _answer(webhooks.change)
    delete = _answer(webhooks.delete)
    test = _answer(webhooks.test)
    deliveries = _answer(webhooks.deliveries)
    redeliver = _answer(webhooks.redeliver)


class Jobs(_Part):
    """Work that goes on after whoever asked for it was answered."""

    list = _answer(jobs.list_jobs)
    get = _answer(jobs.get)
    wait = _result(jobs.wait)
    events = _events(jobs.events)
    cancel = _answer(jobs.cancel)
    add = _answer(uploads.add_later)
    reanalyse = _answer(jobs.reanalyse)
    rescore = _answer(jobs.rescore)
    export = _answer(exports.ask)


class Exports(_Part):
    """Exports that are kept for a while."""

    list = _answer(exports.list_exports)
    get = _result(exports.get)
    download = _result(exports.download)
    delete = _answer(exports.delete)


class Insights(_Part):
    """What the tags say of owners and of time, where it is switched on."""

    profile = _answer(insights.profile)
    trends = _answer(insights.trends)
    companions = _answer(insights.companions)


class AsyncClient:
    """A library behind `opsin serve`: an asynchronous context manager; :class:`opsin.client.Client` says the rest."""

    def __init__(self, url: str, key: str | None = None, *, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        """Remember where the service is; nothing is sent yet. ``timeout``: seconds without a sign of life."""
        self._http = connection(httpx.AsyncClient, url, key, timeout)
        self._retries = retries
        self.searches = Searches(self)
        self.vocabularies = Vocabularies(self)
        self.insights = Insights(self)
        self.keys = Keys(self)
        self.webhooks = Webhooks(self)
        self.jobs = Jobs(self)
        self.exports = Exports(self)

    version = _answer(service.version)
    ready = _answer(service.ready)
    load = _answer(service.load)
    metrics = _answer(service.metrics)
    get = _answer(calls.get)
    called = _answer(calls.called)
    list = _items(calls.list_assets)
    page = _answer(calls.page)
    search = _answer(calls.search)
    find = _answer(calls.find)
    similar = _answer(calls.similar)
    tags = _answer(calls.tags)
    tag_details = _answer(calls.tag_details)
    tag_page = _answer(calls.tag_page)
    tag = _answer(calls.tag)
    edit = _answer(calls.edit)
    delete = _answer(calls.delete)
    undelete = _answer(calls.undelete)
    reports = _answer(calls.reports)
    palette = _answer(calls.palette)
    duplicates_of = _answer(calls.duplicates_of)
    duplicates = _items(calls.duplicates)
    encoders = _answer(calls.encoders)
    plugins = _answer(calls.plugins)
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
        once, tries = once_key(call), 0
        while True:
            outcome: httpx.Response | httpx.RequestError
            try:
                outcome = await self._sent(call, once)
            except httpx.RequestError as error:
                outcome = error
            wait = pause(tries, self._retries, outcome, also=call.also)
            if wait is None:
                break
            await asyncio.sleep(wait)
            tries += 1
        if isinstance(outcome, httpx.RequestError):
            raise unreachable(self._http.base_url, outcome) from outcome
        return answer_of(call, outcome)

    async def _sent(self, call: Call[T], once: Mapping[str, str]) -> httpx.Response:
        request = built(self._http, call, once)
        if call.into is None:
            return await self._http.send(request)
        response = await self._http.send(request, stream=True)
        async with aclosing(response):
            if response.is_success:
                with await asyncio.to_thread(call.into.open, "wb") as file:
                    async for block in response.aiter_bytes():
                        await asyncio.to_thread(file.write, block)
            else:
                await response.aread()
        return response

    async def follow(self, stream: Following) -> AsyncGenerator[Job]:
        """Yield a job whenever it is further, until it is over; where the connection breaks, it goes on with another one."""
        while not stream.over:
            outcome: httpx.Response | httpx.RequestError = broken_off()
            try:
                async with aclosing(await self._http.send(stream.request(self._http), stream=True)) as response:
                    if stream.begins(response):
                        async for block in response.aiter_bytes():
                            for job in stream.take(block):
                                yield job
                    else:
                        await response.aread()
                        outcome = response
            except httpx.RequestError as error:
                outcome = error
            if not stream.over:
                wait = pause(stream.tries, self._retries, outcome)
                if wait is None:
                    stream.give_up(self._http, outcome)
                stream.tries += 1
                await asyncio.sleep(wait)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
