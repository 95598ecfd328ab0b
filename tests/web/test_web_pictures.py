"""Pictures over HTTP: analysed, added, listed, shown, tagged, searched; each way of sending them gives the same."""

from __future__ import annotations

import base64
import io
import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from PIL import Image

from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Served

RED = jpeg_bytes(make_picture("red", "square", 96))
BLUE = jpeg_bytes(make_picture("blue", "circle", 96))
JPEG = {"Content-Type": "image/jpeg"}


def uri(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def results(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code in {200, 201}, answer.text
    return list(answer.json()["results"])


@pytest.fixture(scope="module")
def asset(served: Served) -> str:
    data = {"owner": "ann", "caption": "a square", "context": '{"shelf": 3}', "tags": "summer"}
    (one,) = results(served.client.post("/v1/assets", files={"file": ("red.jpg", RED)}, data=data))
    return str(one["asset"]["id"])


def test_every_way_of_sending_a_picture_gives_the_same_and_stores_nothing(served: Served) -> None:
    before = served.client.get("/v1/assets").json()
    ways = [
        served.client.post("/v1/analyse", content=RED, headers=JPEG),
        served.client.post("/v1/analyse", files={"file": ("a.jpg", RED)}),
        served.client.post("/v1/analyse", json={"image": uri(RED)}),
        served.client.post("/v1/analyse", files={"image": (None, uri(RED))}),
    ]
    told = [results(way)[0] for way in ways]
    assert told[0]["tags"]
    assert all(each["tags"] == told[0]["tags"] for each in told)
    assert all(each["matches"] == told[0]["matches"] for each in told)
    assert "colors" in told[0]["attributes"]
    assert served.client.get("/v1/assets").json() == before


def test_of_several_pictures_each_has_its_own_answer(served: Served) -> None:
    files = [("file", ("red.jpg", RED)), ("file", ("no.jpg", b"no picture")), ("file", ("blue.jpg", BLUE))]
    told = results(served.client.post("/v1/analyse", files=files))
    assert [each["name"] for each in told] == ["red.jpg", "no.jpg", "blue.jpg"]
    assert told[1]["problem"]["code"] == "unreadable-picture"
    assert "problem" not in told[0]
    assert told[2]["tags"]


def test_a_lower_threshold_gives_more_tags_and_top_fewer_matches(served: Served) -> None:
    usual = results(served.client.post("/v1/analyse?top=1", content=RED, headers=JPEG))[0]
    more = results(served.client.post("/v1/analyse?auto_tag=0.1&top=100", content=RED, headers=JPEG))[0]
    assert len(more["tags"]) > len(usual["tags"])
    assert len(usual["matches"]) == 1 < len(more["matches"])


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"no picture", "image/jpeg", 422, "unreadable-picture"),
        (b"", "image/jpeg", 422, "unreadable-picture"),
        (b"x" * 1_000_001, "image/jpeg", 413, "limit-exceeded"),
        (b"x" * 2_000_001, "application/json", 413, "limit-exceeded"),
        (RED, "text/plain", 415, "wrong-media-type"),
        (RED, "", 415, "wrong-media-type"),
        (b"{", "application/json", 400, "usage"),
        (b"[]", "application/json", 400, "usage"),
        (b"{}", "application/json", 400, "usage"),
        (b"[" * 100_000, "application/json", 400, "usage"),
        (b'{"images": [1]}', "application/json", 400, "usage"),
        (b'{"image": "data:,x", "nonsense": 1}', "application/json", 400, "usage"),
        (b'{"image": "http://127.0.0.1/a.jpg"}', "application/json", 422, "source-unavailable"),
        (b'{"image": "/etc/passwd"}', "application/json", 422, "source-unavailable"),
        (b"", "multipart/form-data", 400, "usage"),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400, "usage"),
        (
            b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n",
            "multipart/form-data; boundary=x",
            400,
            "usage",
        ),
    ],
)
@pytest.mark.parametrize("address", ["/v1/analyse", "/v1/assets"])
def test_what_cannot_be_taken_is_told_with_a_stable_code(
    served: Served, address: str, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = served.client.post(address, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    head = f"POST /v1/analyse HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {served.key}\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(f"{head}Content-Type: image/jpeg\r\nContent-Length: 900000000000\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_more_uploads_at_once_than_are_allowed_are_asked_to_come_again(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    head = f"POST /v1/analyse HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {served.key}\r\n"
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(5)]
        for line in lines:
            line.sendall(f"{head}Content-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n".encode())
        (refused,) = select.select(lines, [], [], 10)[0]
        answer = refused.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer.lower()
        assert served.client.get("/v1/tags").status_code == 200
    tries = (served.client.post("/v1/analyse", content=RED, headers=JPEG).status_code for _ in range(500))
    assert 200 in tries, "the places of those who went away are not free again"


def test_an_added_picture_is_there_with_all_that_was_said_of_it(served: Served, asset: str) -> None:
    shown = served.client.get(f"/v1/assets/{asset}").json()
    assert (shown["name"], shown["owner"], shown["caption"], shown["context"]) == (
        "red.jpg",
        "ann",
        "a square",
        {"shelf": 3},
    )
    assert {"label": "summer", "score": 1.0, "by": "person"} in shown["tags"]
    hits = served.client.get("/v1/search", params={"q": "red square", "where": ["owner=ann"]}).json()["hits"]
    assert [hit["asset"]["id"] for hit in hits] == [asset]


def test_an_upload_that_is_sent_again_is_the_same_asset(served: Served, asset: str) -> None:
    answer = served.client.post("/v1/assets", files={"file": ("red.jpg", RED)}, data={"owner": "ann"})
    assert results(answer)[0]["asset"]["id"] == asset


def test_an_original_has_its_name_whatever_that_is(served: Served) -> None:
    name = 'ü "漢字";\u202egpj.jpg'
    (one,) = results(
        served.client.post("/v1/assets?" + str(httpx.QueryParams({"name": name})), content=RED, headers=JPEG)
    )
    original = served.client.get(f"/v1/assets/{one['asset']['id']}/original")
    told = original.headers["content-disposition"].removeprefix("inline; filename*=UTF-8''")
    assert told.isascii()
    assert unquote(told) == one["asset"]["name"] == 'ü "漢字";gpj.jpg'


def test_original_and_preview_come_with_types_and_names_for_caches(served: Served, asset: str) -> None:
    original = served.client.get(f"/v1/assets/{asset}/original")
    assert (original.content, original.headers["content-type"]) == (RED, "image/jpeg")
    assert original.headers["x-content-type-options"] == "nosniff"
    assert (original.headers["content-disposition"], original.headers["accept-ranges"]) == (
        "inline; filename*=UTF-8''red.jpg",
        "none",
    )
    preview = served.client.get(f"/v1/assets/{asset}/preview", params={"width": 32})
    assert preview.headers["content-type"] == "image/webp"
    assert preview.content[8:12] == b"WEBP"
    again = served.client.get(f"/v1/assets/{asset}/original", headers={"If-None-Match": original.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_people_tag_and_the_reckoning_says_so(served: Served, asset: str) -> None:
    changed = served.client.patch(f"/v1/assets/{asset}/tags", json={"add": ["Holiday Home"], "remove": ["blue"]})
    assert "holiday_home" in {tag["label"] for tag in changed.json()["tags"]}
    assert changed.json()["absent"] == ["blue"]
    explained = served.client.get(f"/v1/assets/{asset}/explain", params={"label": "holiday_home"}).json()
    assert (explained["tagged"], explained["person"]) == (True, "added")
    counts = {each["label"]: each["count"] for each in served.client.get("/v1/tags").json()["tags"]}
    assert counts["holiday_home"] == 1


def test_lists_go_on_by_their_cursor(served: Served) -> None:
    for number in range(5):
        results(served.client.post(f"/v1/assets?name={number}.jpg&owner=ben", content=BLUE, headers=JPEG))
    names: list[str] = []
    cursor: str | None = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = served.client.get("/v1/assets", params={"where": "owner=ben", "limit": "2", **more}).json()
        names += [each["name"] for each in page["assets"]]
        if (cursor := page["cursor"]) is None:
            break
    assert names == [f"{number}.jpg" for number in range(5)]


def test_searching_by_picture_asset_and_words_with_weights(served: Served, asset: str) -> None:
    results(served.client.post("/v1/assets", files={"file": ("blue.jpg", BLUE)}))

    def first(*parts: dict[str, Any], **more: Any) -> str:
        answer = served.client.post("/v1/search", json={"parts": parts, **more})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["hits"][0]["asset"]["name"])

    assert first({"image": uri(RED)}) == "red.jpg"
    assert first({"asset": asset}) == "red.jpg"
    assert first({"text": "red"}, {"text": "blue", "weight": -0.5}, everything=True) == "red.jpg"
    page = served.client.post("/v1/search", json={"parts": [{"asset": asset}], "limit": 1, "everything": True}).json()
    again = {"parts": [{"asset": asset}], "limit": 1, "everything": True, "cursor": page["cursor"]}
    assert served.client.post("/v1/search", json=again).json()["hits"][0]["asset"]["id"] != asset
    words: dict[str, Any] = {"q": "summer squares", "hybrid": True, "explain": True, "where": "owner=ann"}
    (hit,) = served.client.get("/v1/search", params=words).json()["hits"]
    assert (hit["asset"]["name"], hit["reasons"]["words"], hit["reasons"]["tags"]) == ("red.jpg", None, 1)
    assert first({"vector": [1.0] * 64}, {"asset": asset, "weight": 1000}) == "red.jpg"
    for parts in ([{"vector": [1.0]}], [{"vector": [1.0] * 64, "text": "red"}], [{"vector": "red"}], []):
        wrong = served.client.post("/v1/search", json={"parts": parts})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "usage"), parts
    similar = served.client.get(f"/v1/assets/{asset}/similar", params={"limit": 2}).json()["hits"]
    assert len(similar) == 2
    assert asset not in {hit["asset"]["id"] for hit in similar}


def test_an_example_picture_comes_as_a_form_with_words_and_conditions(served: Served, asset: str) -> None:
    fields: dict[str, Any] = {
        "where": ["owner=ann", "format=jpg"],
        "limit": "1",
        "explain": "true",
        "facets": ["owner", "tag"],
    }
    answer = served.client.post(
        "/v1/search", files={"file": ("example.jpg", RED)}, data=fields | {"text": "red", "weight": "2"}
    )
    assert answer.status_code == 200, answer.text
    (hit,) = answer.json()["hits"]
    assert hit["asset"]["id"] == asset
    assert [(part["kind"], part["weight"]) for part in hit["reasons"]["parts"]] == [("text", 1.0), ("picture", 2.0)]
    assert [each["value"] for each in answer.json()["facets"]["fields"]["owner"]] == ["ann"]
    same = {"q": "red", "where": fields["where"], "facets": ["owner", "tag"]}
    assert served.client.get("/v1/search", params=same).json()["facets"] == answer.json()["facets"]
    for wrong in ({"limit": "0"}, {"parts": "[]"}, {"weight": "much"}, {"facets": "colour"}, {"where": "tag"}):
        refused = served.client.post("/v1/search", files={"file": ("example.jpg", RED)}, data=wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "usage"), wrong
    broken = served.client.post("/v1/search", files={"file": ("example.jpg", b"no picture")})
    assert (broken.status_code, broken.json()["code"]) == (422, "unreadable-picture")
    assert served.client.post("/v1/search", files={"text": (None, "red")}).status_code == 400


def test_the_pictures_with_a_tag_come_as_a_page_can_show_them_and_once(served: Served) -> None:
    wide = jpeg_bytes(np.tile(make_picture("yellow", "square", 300), (1, 3, 1)))
    small = jpeg_bytes(make_picture("green", "square", 40))
    files = [("file", ("wide.jpg", wide)), ("file", ("small.jpg", small))]
    results(served.client.post("/v1/assets", files=files, data={"tags": ["Beach day"], "caption": "At <the> sea"}))
    at = "/v1/tags/beach_day/assets"
    answer = served.client.get(at)
    page = answer.json()
    assert (page["label"], page["total"], page["cursor"]) == ("beach_day", 2, None)
    assert [(each["name"], each["text"], each["score"]) for each in page["assets"]] == [
        ("small.jpg", "At <the> sea", 1.0),
        ("wide.jpg", "At <the> sea", 1.0),
    ]
    assert [(each["width"], each["height"]) for each in page["assets"][0]["previews"]] == [(40, 40)]
    assert [(each["width"], each["height"]) for each in page["assets"][1]["previews"]] == [
        (256, 85),
        (512, 171),
        (900, 300),
    ]
    for preview in page["assets"][1]["previews"]:
        with Image.open(io.BytesIO(served.client.get(preview["url"]).content)) as image:
            assert image.size == (preview["width"], preview["height"])
    assert served.client.get(page["assets"][1]["original"]).content == wide
    assert "max-age" in answer.headers["cache-control"]
    known = {"If-None-Match": answer.headers["etag"]}
    again = served.client.get(at, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    served.client.patch(f"/v1/assets/{page['assets'][0]['id']}", json={"caption": "Another"})
    assert served.client.get(at, headers=known).status_code == 200
    first = served.client.get(
        "/v1/tags/Beach%20Day/assets", params={"limit": 1, "order": "asc", "width": [100, 32]}
    ).json()
    assert [each["width"] for each in first["assets"][0]["previews"]] == [32, 100]
    second = served.client.get(at, params={"limit": 1, "order": "asc", "cursor": first["cursor"]}).json()
    assert [each["name"] for each in (*first["assets"], *second["assets"])] == ["wide.jpg", "small.jpg"]
    assert served.client.get(at, params={"where": "width>100"}).json()["total"] == 1
    for path, status in (
        ("/v1/tags/bech_day/assets", 404),
        (f"{at}?width=5000", 400),
        (at + "?" + "&width=32" * 17, 400),
        ("/v1/tags/%21/assets", 400),
    ):
        assert served.client.get(path).status_code == status, path
