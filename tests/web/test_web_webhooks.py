"""Webhooks over HTTP: made, tested and listed; what was added before a crash is told after it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.hooks.receiving import receiving

import opsin
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import Lacking
    from tests.web.conftest import Serve, Served

RED = jpeg_bytes(make_picture("red", "square", 96))
PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
PRIVATE = "\n[webhooks]\nallow_private = true\nbackoff = 0.1\n"


@pytest.fixture(scope="module")
def site(serve: Serve) -> Served:
    """Return a service whose webhooks may go to this machine."""
    first = serve()
    first.stop()
    with (first.home / "opsin.toml").open("a") as settings:
        settings.write(PRIVATE)
    again = serve(first.home)
    again.wait_until_ready()
    return again


def create(site: Served, url: str, *events: str) -> dict[str, Any]:
    made = site.client.post("/v1/webhooks", json={"url": url, "events": events or ["*"]})
    assert made.status_code == 201, made.text
    return dict(made.json())


def test_a_secret_is_shown_once_and_its_repeat_is_told_so(site: Served) -> None:
    def made() -> Any:
        return site.client.post("/v1/webhooks", json={"url": "https://a.example/"}, headers={"Idempotency-Key": "once"})

    first, again = made(), made()
    assert (first.status_code, again.status_code, again.json()["code"]) == (201, 409, "already-answered")
    (one,) = (each for each in site.client.get("/v1/webhooks").json()["webhooks"] if each["id"] == first.json()["id"])
    assert "secret" not in one
    assert site.client.delete(f"/v1/webhooks/{one['id']}").status_code == 204


@pytest.mark.parametrize("number", ["99999999999999999999999", "9223372036854775808", "9007199254740993", "-1"])
def test_an_event_of_a_number_that_cannot_be_is_refused(site: Served, number: str) -> None:
    webhook = create(site, "https://a.example/")["id"]
    answer = site.client.post(f"/v1/webhooks/{webhook}/deliveries/{number}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")
    assert site.client.post(f"/v1/webhooks/{webhook}/deliveries/7/redeliver").status_code == 404
    site.client.delete(f"/v1/webhooks/{webhook}")


def test_an_upload_is_told_and_the_page_says_how_to_check_who_sent_it(site: Served, lacking: Lacking) -> None:
    with receiving() as receiver:
        webhook = create(site, receiver.url, "asset.added")
        added = site.client.post("/v1/assets", files={"file": ("first.jpg", RED)}).json()["results"][0]["asset"]
        (event,) = receiver.wait_for(1)
        assert (event["type"], event["data"]["asset"]["id"]) == ("asset.added", added["id"])
        assert event["data"]["asset"] == added
        (headers, body), secret = receiver.came[0], webhook["secret"]
        code: dict[str, Any] = {}
        exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], code)  # the page's own example
        verify = code["is_from_opsin"]
        assert verify(secret, headers, body)
        assert not verify(secret, headers, body + b" ")
        assert not verify("whsec_AAAA", headers, body)
        assert not verify(secret, headers | {"webhook-timestamp": "1700000000"}, body)
        assert not verify(secret, {}, body)
        node = shutil.which("node")
        if node is None:
            lacking("node is not installed")
        script = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)[0]
        for sent, expected in ((body, "true"), (body + b" ", "false")):
            said = f"{script}; console.log(isFromOpsin(process.argv[1], JSON.parse(process.argv[2]), Buffer.from(process.argv[3])))"
            words = [secret, msgspec.json.encode(headers).decode(), sent.decode()]
            ran = subprocess.run([node, "-e", said, *words], capture_output=True, text=True, check=True)
            assert ran.stdout.strip() == expected
        assert site.client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204


def test_a_webhook_is_listed_changed_tested_and_deleted(site: Served) -> None:
    with receiving() as receiver:
        webhook = create(site, receiver.url, "search.*")
        place = f"/v1/webhooks/{webhook['id']}"
        listed = site.client.get("/v1/webhooks").json()["webhooks"]
        assert [each["id"] for each in listed] == [webhook["id"]]
        assert "secret" not in listed[0]
        tried = site.client.post(f"{place}/test").json()
        assert (tried["arrived"], tried["status"]) == (True, 204)
        receiver.answer = lambda _: 500
        assert not site.client.post(f"{place}/test").json()["arrived"]
        changed = site.client.patch(place, json={"enabled": False, "events": ["asset.*"]}).json()
        assert (changed["enabled"], changed["events"]) == (False, ["asset.*"])
        assert site.client.delete(place).status_code == 204
        assert site.client.get(place).status_code == 404
        assert site.client.get("/v1/webhooks").json() == {"webhooks": []}


def test_dead_letters_are_listed_and_sent_again(site: Served) -> None:
    with receiving() as receiver:
        receiver.answer = lambda _: 500
        webhook = create(site, receiver.url, "asset.tagged")
        place = f"/v1/webhooks/{webhook['id']}"
        asset = site.client.get("/v1/assets").json()["assets"][0]["id"]
        site.client.patch(f"/v1/assets/{asset}/tags", json={"add": ["seen"]})
        receiver.wait_for(2)
        (waiting,) = site.client.get(f"{place}/deliveries", params={"state": "waiting"}).json()["deliveries"]
        assert (waiting["type"], waiting["state"]) == ("asset.tagged", "waiting")
        assert site.client.get(f"{place}/deliveries", params={"state": "dead"}).json()["deliveries"] == []
        assert site.client.post(f"{place}/deliveries/{waiting['number']}/redeliver").status_code == 404
        assert site.client.post(f"{place}/redeliver").json() == {"count": 0}
        assert site.client.get(f"{place}/deliveries", params={"state": "eaten"}).status_code == 400
        assert site.client.delete(place).status_code == 204


@pytest.mark.parametrize(
    "body", [{}, {"url": "nowhere"}, {"url": "https://a.example", "events": ["asset.eaten"]}, {"url": 1}, {"x": 1}]
)
def test_what_cannot_be_a_webhook_is_told(site: Served, body: dict[str, Any]) -> None:
    answer = site.client.post("/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")


def test_only_admins_may_see_webhooks(site: Served) -> None:
    key = opsin.keys(site.home).create("writer", "write").key
    with site.client_with(key) as client:
        assert client.get("/v1/webhooks").status_code == 403
        assert client.post("/v1/webhooks", json={"url": "https://a.example"}).status_code == 403


def test_a_saved_search_tells_of_new_pictures_that_match(site: Served) -> None:
    with receiving() as receiver:
        webhook = create(site, receiver.url, "search.matched")
        fields = {"parts": [{"text": "green"}], "where": ["owner=ann"], "cutoff": 0.6, "name": "greens"}
        made = site.client.post("/v1/searches", json=fields)
        assert (made.status_code, made.json()["parts"]) == (201, [{"text": "green", "weight": 1.0}])
        place = f"/v1/searches/{made.json()['id']}"
        for colour, owner in (("green", "ben"), ("blue", "ann"), ("green", "ann")):
            file = {"file": (f"{owner}.jpg", jpeg_bytes(make_picture(colour, "circle", 96)))}
            assert site.client.post("/v1/assets", files=file, data={"owner": owner}).status_code == 201
        (event,) = receiver.wait_for(1)
        assert event["data"]["asset"]["owner"] == "ann"
        assert [each["name"] for each in event["data"]["searches"]] == ["greens"]
        hits = site.client.get(f"{place}/hits").json()["hits"]
        assert [hit["asset"]["id"] for hit in hits] == [event["data"]["asset"]["id"]]
        assert site.client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204
        assert site.client.delete(place).status_code == 204


def test_saved_searches_are_listed_changed_and_deleted(site: Served) -> None:
    ids = [site.client.post("/v1/searches", json={"parts": [{"text": word}]}).json()["id"] for word in ("red", "blue")]
    first = site.client.get("/v1/searches", params={"limit": 1}).json()
    assert ([each["name"] for each in first["searches"]], first["cursor"]) == (["red"], ids[0])
    second = site.client.get("/v1/searches", params={"limit": 1, "cursor": first["cursor"]}).json()
    assert ([each["id"] for each in second["searches"]], second["cursor"]) == ([ids[1]], None)
    place = f"/v1/searches/{ids[0]}"
    changed = site.client.patch(place, json={"cutoff": 0.9, "where": ["width>5"]}).json()
    assert (changed["name"], changed["cutoff"], changed["where"]) == ("red", 0.9, ["width>5"])
    assert site.client.get(place).json() == changed
    reader = opsin.keys(site.home).create("reader", "read").key
    with site.client_with(reader) as client:
        assert client.get(place).status_code == 200
        assert client.delete(place).status_code == 403
        assert client.post("/v1/searches", json={"parts": [{"text": "red"}]}).status_code == 403
    wrong: list[dict[str, Any]] = [
        {},
        {"parts": []},
        {"parts": [{"text": "red"}], "cutoff": 2},
        {"parts": [{"text": "a", "asset": "b"}]},
    ]
    for fields in wrong:
        assert site.client.post("/v1/searches", json=fields).status_code == 400
    assert [site.client.delete(f"/v1/searches/{each}").status_code for each in ids] == [204, 204]
    assert site.client.get(place).json()["code"] == "unknown-name"


def test_what_was_answered_before_a_kill_is_told_after_the_restart(site: Served, serve: Serve) -> None:
    with receiving() as receiver:
        port = receiver.server_address[1]
        create(site, receiver.url, "asset.added")
    # Nobody listens now: the event waits in the catalogue when the process is killed.
    added = site.client.post("/v1/assets", files={"file": ("last.jpg", RED)})
    assert added.status_code == 201
    site.process.kill()
    site.stop()
    with receiving(port) as receiver:
        serve(site.home)
        (event, *_) = receiver.wait_for(1)
        assert event["data"]["asset"]["id"] == added.json()["results"][0]["asset"]["id"]
