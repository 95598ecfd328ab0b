"""Insights, encoders and plugins over HTTP, as the client asks for them and reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import opsin
from opsin.client import calls, insights
from opsin.client.call import Call
from opsin.library import NewKey
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.app import create_app

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

PICTURES = [jpeg_bytes(make_picture(colour, "square", 48)) for colour in ("red", "blue", "green")]
Ask = Callable[[Call[Any]], httpx.Response]


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library in which the pictures of three owners show the sea, and two of them a boat."""
    library = make_library(settings="[insights]\nenabled = true\nleast = 2\n", vocabularies=())
    library.vocabularies.create("told", [opsin.Label(id=name, unseen=("fake",)) for name in ("sea", "boat", "castle")])
    for owner, tags in (("ann", ("sea", "boat")), ("ben", ("sea", "boat")), ("cem", ("sea", "castle"))):
        library.add(*(Upload(each, f"{n}.jpg") for n, each in enumerate(PICTURES)), owner=owner, tags=tags)
    return library


@pytest.fixture
def ask(library: opsin.Library) -> Ask:
    app = create_app(library)
    key = (library.path / "admin.key").read_text().strip()

    def asked(call: Call[Any], key: str = key) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(call.method, call.path, params=call.params, headers={"X-Api-Key": key})

        return asyncio.run(one())

    return asked


def test_insights_are_told_as_the_library_tells_them(library: opsin.Library, ask: Ask) -> None:
    profile = insights.profile("ann")
    assert profile.read(ask(profile)) == library.insights.profile("ann")
    assert "boat" in {tag.label for tag in profile.read(ask(profile)).tags}
    trends = insights.trends(days=7)
    assert trends.read(ask(trends)) == library.insights.trends(days=7)
    companions = insights.companions("sea")
    assert companions.read(ask(companions)) == library.insights.companions("sea")
    told = {each.label for each in companions.read(ask(companions)).tags}
    assert told & {"boat", "castle"} == {"boat"}  # a castle that one owner has alone is not told


def test_insights_are_for_admin_keys_and_sane_questions(library: opsin.Library, ask: Any) -> None:
    made: NewKey = opsin.keys(library.path).create("site", "write")
    assert ask(insights.profile("ann"), key=made.key).status_code == 403
    for call in (insights.trends(days=0), insights.trends(days=99_999), insights.profile(""), insights.companions("")):
        assert ask(call).status_code == 400


def test_encoders_and_plugins_are_told_as_the_library_tells_them(library: opsin.Library, ask: Ask) -> None:
    encoders = calls.encoders()
    assert encoders.read(ask(encoders)) == list(opsin.encoders(library.path))
    plugins = calls.plugins()
    found = plugins.read(ask(plugins))
    assert [each.name for each in found] == [each.name for each in library.plugins()]
    assert next(each for each in found if each.name == "colors").settings == {"share": 0.5, "chroma": 0.02}
