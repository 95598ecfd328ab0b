"""What the service says while the encoder is out of use: when to come again, and what could not be done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import opsin
from opsin.host.health import FIRST_BACK_OFF, LONGEST_BACK_OFF, Health
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.app import create_app

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))
Ask = Callable[..., httpx.Response]


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library with one picture, whose models are loaded."""
    library = make_library(vocabularies=())
    library.add(RED)
    return library


@pytest.fixture
def ask(library: opsin.Library) -> Ask:
    app = create_app(library)
    key = (library.path / "admin.key").read_text().strip()

    def asked(method: str, path: str, **said: Any) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            headers = {"X-Api-Key": key}
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                return await client.request(method, path, **said)

        return asyncio.run(one())

    return asked


def health_of_the_encoder(library: opsin.Library) -> Health:
    return library._workspace.ready().encoder._lane.health


def test_retry_after_says_when_the_encoder_is_tried_again(library: opsin.Library, ask: Ask) -> None:
    health = health_of_the_encoder(library)
    for begin, seconds in ((health.quarantine, FIRST_BACK_OFF), (health.switch_off, LONGEST_BACK_OFF)):
        begin("it broke")
        for answer in (
            ask("GET", "/v1/search", params={"q": "red"}),
            ask("POST", "/v1/analyse", files={"file": RED}),
            ask("POST", "/v1/assets", files={"file": jpeg_bytes(make_picture("blue", "square", 96))}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "plugin"), answer.text
            assert seconds - 10 < int(answer.headers["retry-after"]) <= seconds


def test_a_vocabulary_that_cannot_be_scored_by_says_so(library: opsin.Library, ask: Ask) -> None:
    health_of_the_encoder(library).quarantine("it broke")
    made = ask("POST", "/v1/vocabularies", json={"name": "new", "labels": [{"id": "red"}]})
    assert made.status_code == 201
    assert (made.json()["rescored"]["contents"], made.json()["rescored"]["problems"]) == (1, 1)
