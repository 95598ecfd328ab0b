"""The client that waits for each answer."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
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


def _answer(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(build)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(build(*args, **kwargs))

    return method


def _items(build: Callable[P, Flow[T]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    @functools.wraps(build)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        flow = build(*args, **kwargs)
        found = step(flow)
        while found is not None:
            if isinstance(found, Item):
                yield found.value
                found = step(flow)
            else:
                found = step(flow, self.send(found))

    return method


class Client:
    """A library behind `opsin serve`: a context manager. Its methods may be called from several threads.

    An ``asset`` is named by its id. Requests that the service could not do just now, or whose answer got lost, are sent
    again, at most ``retries`` times; those that change something carry a key, so that they are done once.

    :raises Unreachable: from each method, where the service does not answer.
    :raises OpsinError: from each method, as the library itself would raise it.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        """Remember where the service is; nothing is sent yet. ``timeout``: seconds without a sign of life."""
        self._http = httpx.Client(**settings(url, key, timeout))
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

    def add(self, *pictures: Picture, tags: Iterable[str] = (), **said: Unpack[Said]) -> Outcomes:
        """Add pictures, wait until all are durable and searchable, and return what became of each."""
        return [*self.add_each(*pictures, tags=tags, **said)]

    def send(self, call: Call[T]) -> T:
        """Send one call and return its answer."""
        request = arguments(call)
        tries = 0
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = self._http.request(**request)
            except httpx.TransportError as error:
                outcome = error
            wait = pause(tries, self._retries, outcome)
            if wait is None:
                break
            time.sleep(wait)
            tries += 1
        if isinstance(outcome, httpx.TransportError):
            raise unreachable(self._http.base_url, outcome) from outcome
        return answer_of(call, outcome)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
