"""Pictures by address over HTTP: only what serve.urls names is fetched, and each picture answers for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from opsin.testing import jpeg_bytes, make_picture
from opsin.web.app import create_app

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))
BLUE = jpeg_bytes(make_picture("blue", "square", 96))
Ask = Callable[..., httpx.Response]


class Pictures(BaseHTTPRequestHandler):
    """A site with a picture below /open/ and one outside of it."""

    current = RED

    def do_GET(self) -> None:
        if self.path == "/open/away":
            self.send_response(302)
            self.send_header("Location", "/closed/red.jpg")
            self.end_headers()
            return
        self.send_response(200 if self.path.endswith(".jpg") else 404)
        self.end_headers()
        self.wfile.write(self.current)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def asking(make_library: MakeLibrary) -> Callable[[str], Ask]:
    """Return a function that serves a library with these settings in this process, and returns how it is asked."""

    def served(settings: str) -> Ask:
        library = make_library(settings=settings, vocabularies=())
        door = create_app(library)
        headers = {"Authorization": f"Bearer {(library.path / 'admin.key').read_text().strip()}"}

        def ask(method: str, address: str, **said: Any) -> httpx.Response:
            async def one() -> httpx.Response:
                transport = httpx.ASGITransport(app=door)  # type: ignore[arg-type]
                base = "http://localhost"
                async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers, timeout=60) as client:
                    return await client.request(method, address, **said)

            return asyncio.run(one())

        return ask

    return served


def test_what_the_list_names_is_fetched_in_every_form(site: str, asking: Callable[[str], Ask]) -> None:
    ask = asking(f'[serve]\nurls = ["{site}/open/"]\n[urls]\nallow_private = true\n')
    url = f"{site}/open/red.jpg"
    forms: list[dict[str, Any]] = [
        {"json": {"url": url}},
        {"json": {"urls": [url]}},
        {"files": {"url": (None, url)}},
    ]
    for form in forms:
        (result,) = ask("POST", "/v1/analyse", **form).json()["results"]
        assert (result["name"], "problem" in result) == ("red.jpg", False), form
    added = ask("POST", "/v1/assets", json={"url": url, "owner": "ann", "caption": "from afar"})
    assert added.status_code == 201, added.text
    asset = added.json()["results"][0]["asset"]
    assert (asset["name"], asset["owner"], asset["copied"]) == ("red.jpg", "ann", True)
    assert ask("GET", f"/v1/assets/{asset['id']}/original").content == RED
    hits = ask("POST", "/v1/search", json={"parts": [{"url": url}]}).json()["hits"]
    assert [hit["asset"]["id"] for hit in hits] == [asset["id"]]


def test_another_owner_of_the_same_address_has_an_asset_of_their_own(
    site: str, asking: Callable[[str], Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asking('[serve]\nurls = ["*"]\n[urls]\nallow_private = true\n')

    def add(owner: str) -> dict[str, Any]:
        answer = ask("POST", "/v1/assets", json={"url": f"{site}/red.jpg", "owner": owner})
        return dict(answer.json()["results"][0])

    first, other = add("ann"), add("ben")
    assert first["asset"]["id"] != other["asset"]["id"]
    monkeypatch.setattr(Pictures, "current", BLUE)
    again = add("ann")
    assert (again["status"], again["asset"]["id"]) == ("changed", first["asset"]["id"])
    assert ask("GET", f"/v1/assets/{other['asset']['id']}/original").content == RED


def test_of_several_each_answers_for_itself_and_nothing_else_is_fetched(
    site: str, asking: Callable[[str], Ask]
) -> None:
    ask = asking(f'[serve]\nurls = ["{site}/open/"]\n[urls]\nallow_private = true\n')
    urls = [
        f"{site}/open/red.jpg",
        f"{site}/closed/red.jpg",
        f"{site}/open/away",
        f"{site}/open/none",
        "file:///etc/passwd",
    ]
    results = ask("POST", "/v1/analyse", json={"urls": urls}).json()["results"]
    codes = [result.get("problem", {}).get("code") for result in results]
    assert codes == [None, *["source-unavailable"] * 4]
    assert "serve.urls" in results[1]["problem"]["detail"]
    assert "serve.urls" in results[2]["problem"]["detail"]
    alone = ask("POST", "/v1/analyse", json={"url": urls[1]})
    assert (alone.status_code, alone.json()["code"]) == (422, "source-unavailable")


def test_nothing_is_fetched_unless_somebody_said_so(site: str, asking: Callable[[str], Ask]) -> None:
    for ask in (asking("[urls]\nallow_private = true\n"),):
        for address in ("/v1/analyse", "/v1/assets"):
            answer = ask("POST", address, json={"url": f"{site}/open/red.jpg"})
            assert (answer.status_code, answer.json()["code"]) == (422, "source-unavailable")
            assert "serve.urls" in answer.json()["detail"]
        found = ask("POST", "/v1/search", json={"parts": [{"url": f"{site}/open/red.jpg"}]})
        assert found.status_code == 422


def test_the_list_opens_no_private_address(site: str, asking: Callable[[str], Ask]) -> None:
    ask = asking(f'[serve]\nurls = ["*", "{site}/"]\n')
    answer = ask("POST", "/v1/analyse", json={"url": f"{site}/open/red.jpg"})
    assert answer.status_code == 422
    assert "not a public address" in answer.json()["detail"]


@pytest.mark.parametrize("said", [{"url": 1}, {"urls": "x"}, {"url": "x" * 9000}, {"urls": ["http://a.example"] * 21}])
def test_what_is_no_address_is_told(asking: Callable[[str], Ask], said: dict[str, Any]) -> None:
    answer = asking("")("POST", "/v1/analyse", json=said)
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")
