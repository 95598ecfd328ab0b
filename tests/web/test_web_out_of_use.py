"""What the service says while something is out of use or taken: when to come again, and what could not be done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest

import opsin
from opsin.host.health import Health
from opsin.settings import HostSettings
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.app import create_app

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))
Ask = Callable[..., httpx.Response]
T = TypeVar("T")


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library with one picture, whose models are loaded."""
    library = make_library(vocabularies=())
    library.add(RED)
    return library


@pytest.fixture
def ask(library: opsin.Library) -> Ask:
    return lambda method, path, **said: asking(
        create_app(library), library, lambda client: client.request(method, path, **said)
    )


def asking(app: Any, library: opsin.Library, what: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]) -> T:
    """Return what a client is answered by a service of this library."""

    async def ask() -> T:
        transport = httpx.ASGITransport(app=app)
        headers = {"X-Api-Key": (library.path / "admin.key").read_text().strip()}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return await what(client)

    return asyncio.run(ask())


def health_of_the_encoder(library: opsin.Library) -> Health:
    return library._workspace.ready().encoder._lane.health


def test_retry_after_says_when_the_encoder_is_tried_again(library: opsin.Library, ask: Ask) -> None:
    health = health_of_the_encoder(library)
    for begin, seconds in (
        (health.quarantine, HostSettings().backoff),
        (health.switch_off, HostSettings().longest_backoff),
    ):
        begin("it broke")
        for answer in (
            ask("GET", "/v1/search", params={"q": "red"}),
            ask("POST", "/v1/analyse", files={"file": RED}),
            ask("POST", "/v1/assets", files={"file": jpeg_bytes(make_picture("blue", "square", 96))}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "plugin"), answer.text
            assert seconds - 10 < int(answer.headers["retry-after"]) <= seconds


def test_what_compares_all_pictures_is_answered_to_one_caller_at_a_time(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def duplicates(_library: opsin.Library, **_: object) -> Iterator[Any]:
        begun.set()
        assert go_on.wait(30)
        return iter(())

    monkeypatch.setattr(opsin.Library, "duplicates", duplicates)

    async def both(client: httpx.AsyncClient) -> list[int]:
        first = asyncio.create_task(client.get("/v1/duplicates"))
        assert await asyncio.to_thread(begun.wait, 30)
        second = await client.get("/v1/duplicates")
        listed = [await client.get("/v1/assets") for _ in range(10)]
        go_on.set()
        third = (await first), await client.get("/v1/duplicates")
        return [each.status_code for each in (second, *listed, *third)]

    assert asking(create_app(library), library, both) == [503, *[200] * 12]


def test_what_compares_all_pictures_ends_when_its_caller_leaves(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()
    compare = opsin.Library.duplicates

    def duplicates(library: opsin.Library, **asked: Any) -> Iterator[Any]:
        begun.set()
        try:
            while not ended.is_set():  # as of a library in which it takes for ever
                list(compare(library, **asked))
        finally:
            ended.set()
        return iter(())

    monkeypatch.setattr(opsin.Library, "duplicates", duplicates)
    app = create_app(library)

    async def left(scope: Any, receive: Any, send: Any) -> None:
        """Have the caller leave as soon as its question is being answered."""

        async def leave() -> Any:
            await asyncio.to_thread(begun.wait, 30)
            return {"type": "http.disconnect"}

        await app(scope, receive if ended.is_set() else leave, send)

    async def ask(client: httpx.AsyncClient) -> list[int]:
        return [(await client.get("/v1/duplicates")).status_code for _ in range(2)]

    assert asking(left, library, ask) == [499, 200]


def test_a_vocabulary_that_cannot_be_scored_by_says_so(library: opsin.Library, ask: Ask) -> None:
    health_of_the_encoder(library).quarantine("it broke")
    made = ask("POST", "/v1/vocabularies", json={"name": "new", "labels": [{"id": "red"}]})
    assert made.status_code == 201
    assert (made.json()["rescored"]["contents"], made.json()["rescored"]["problems"]) == (1, 1)
