"""Bodies: of the kind that is read, small where nothing is held for them, and told of by the names that callers use."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import select
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from opsin.testing import jpeg_bytes, make_picture
from opsin.web.repeats import _Hashed

if TYPE_CHECKING:
    from tests.web.conftest import Served

RED = jpeg_bytes(make_picture("red", "square", 96))
NOBODY = "019a20a7-8d66-7ae0-a15c-eb1c889c71b3"


def test_every_route_that_reads_json_refuses_other_kinds_and_says_so_in_openapi(served: Served) -> None:
    paths = served.client.get("/v1/openapi.json").json()["paths"]
    routes = [(path, method) for path, each in paths.items() for method in each if "requestBody" in each[method]]
    assert len(routes) > 10
    for path, method in routes:
        assert {"413", "415", "503"} <= paths[path][method]["responses"].keys(), path
        address = re.sub(r"\{\w+_id\}", NOBODY, path).replace("{vocabulary}", "x").replace("{label}", "x")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/x-msgpack", "nonsense"):
            answer = served.client.request(method, address, content=b"{}", headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["code"]) == (415, "wrong-media-type"), (path, kind)
            assert "application/json" in answer.json()["detail"]
        refused = served.client.request(method, address, content=b"{", headers={"Content-Type": "application/json"})
        assert refused.status_code == 400, (path, refused.text)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"caption": "\xff"}', "the body is no JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'{"context": ' + b'{"a": ' * 5000, "it is nested too deeply"),
        (b'{"context": ' + b'{"a": ' * 100 + b"{}" + b"}" * 101, "context has at most 100 lists and mappings"),
    ],
    ids=["no UTF-8", "bottomless", "deep"],
)
def test_json_that_cannot_be_read_is_the_callers_fault(served: Served, body: bytes, said: str) -> None:
    at = f"/v1/assets/{served.client.post('/v1/assets', files={'file': RED}).json()['results'][0]['asset']['id']}"
    for kind in ("application/json", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = served.client.patch(at, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "usage"), answer.text
        assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [("/v1/assets", "image/jpeg"), ("/v1/search", "application/json"), ("/v1/keys", "application/json")],
)
def test_a_body_that_is_packed_is_refused_as_what_it_is(served: Served, address: str, kind: str) -> None:
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    answer = served.client.post(address, content=gzip.compress(RED), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong-media-type"), answer.text
    assert "without Content-Encoding" in answer.json()["detail"]
    plain = {"Content-Type": "image/jpeg", "Content-Encoding": "identity"}
    assert served.client.post("/v1/analyse", content=RED, headers=plain).status_code == 200


def test_a_context_that_no_list_could_show_is_not_taken(served: Served) -> None:
    for levels, status in ((100, {200, 201}), (101, {400}), (940, {400}), (5000, {400})):
        context = '{"a":' * levels + "1" + "}" * levels
        answer = served.client.post("/v1/assets", files={"file": ("deep.jpg", RED)}, data={"context": context})
        assert answer.status_code in status, answer.text
    for address in ("/v1/assets", "/v1/search?q=red&everything=true"):
        assert served.client.get(address).status_code == 200


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/ld+json", ""])
def test_json_by_any_of_its_names_or_by_none_is_read(served: Served, kind: str) -> None:
    for address, body in (("/v1/search", {"parts": [{"text": "red"}]}), ("/v1/keys", {"name": "by any name"})):
        headers = {"Content-Type": kind} if kind else {}
        answer = served.client.post(address, content=json.dumps(body).encode(), headers=headers)
        assert answer.is_success, answer.text


@pytest.mark.parametrize(
    ("method", "address", "said"),
    [
        ("GET", f"/v1/assets/{NOBODY}/preview?format=png", "format: Invalid enum value 'png'; there are webp, jpeg, avif"),
        ("GET", "/v1/jobs?state=bogus", "state: Invalid enum value 'bogus'; there are queued, running, done"),
        ("GET", f"/v1/webhooks/{NOBODY}/deliveries?state=bogus", "state: Invalid enum value 'bogus'; there are waiting, dead"),
        ("GET", "/v1/assets?sort=size", "sort: Invalid enum value 'size'; there are added, updated, name, taken"),
        ("GET", "/v1/search?q=x&facets=size", "there are tag, owner, format, taken"),
        ("GET", "/v1/assets?limit=0", "limit: Expected `int` >= 1"),
        ("PATCH", f"/v1/assets/{NOBODY}", "a JSON object is needed as the body, and there is none"),
        ("POST", "/v1/reanalyse", "a JSON object is needed as the body, and there is none"),
        ("POST", "/v1/search", "this is no search"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_the_names_of_the_caller_with_what_would_be_right(
    served: Served, method: str, address: str, said: str
) -> None:
    answer = served.client.request(method, address)
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")
    assert said in answer.json()["detail"]


def test_a_value_of_a_body_is_told_with_what_would_be_right(served: Served) -> None:
    answer = served.client.post("/v1/keys", json={"name": "x", "scope": "root"})
    assert answer.json()["detail"] == "scope: Invalid enum value 'root'; there are read, write, admin"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/v1/exports", "the body: Object contains unknown field `colour`; there are where, format, vectors"),
        ("/v1/keys", "the body: Object contains unknown field `colour`; there are name, scope"),
        ("/v1/search", "this is no search: Object contains unknown field `colour`; there are where, limit, cursor"),
        ("/v1/analyse", "Object contains unknown field `colour`; there are auto_tag, categorizers, embedding, top"),
    ],
)
def test_a_field_that_a_body_does_not_know_is_told_with_those_that_there_are(
    served: Served, address: str, said: str
) -> None:
    uri = f"data:image/jpeg;base64,{base64.b64encode(RED).decode()}"
    answer = served.client.post(address, json={"colour": "red"} | ({"image": uri} if address == "/v1/analyse" else {}))
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(said), answer.text


def test_a_data_uri_in_a_form_may_be_as_large_as_a_file(served: Served) -> None:
    large = RED + bytes(850_000)  # what follows a JPEG's end is not looked at
    uri = f"data:image/jpeg;base64,{base64.b64encode(large).decode()}"
    answer = served.client.post("/v1/analyse", data={"image": uri}, files={"file": RED})
    assert answer.status_code == 200, answer.text
    assert [each.get("problem") for each in answer.json()["results"]] == [None, None]
    uri = f"data:image/jpeg;base64,{base64.b64encode(RED + bytes(1_000_000)).decode()}"
    answer = served.client.post("/v1/analyse", data={"image": uri}, files={"file": RED})
    assert (answer.status_code, answer.json()["limit"]) == (413, "decode.max_bytes"), answer.text


def test_a_form_has_room_for_a_picture_and_all_that_may_be_said_of_it(served: Served) -> None:
    said = {"tags": [f"tag {number}" for number in range(200)], "owner": "ann", "caption": "all of it"}
    answer = served.client.post("/v1/assets", files={"file": ("tagged.jpg", RED)}, data=said)
    assert answer.is_success, answer.text
    wrong = {"tags": [*said["tags"], "one more"]}, {"caption": "x" * 1_100_000}, {"tags": ["x"] * 600}
    for each in wrong:
        answer = served.client.post("/v1/assets", files={"file": RED}, data=each)
        assert (answer.status_code, answer.json()["code"]) == (400, "usage"), answer.text
    answer = served.client.post("/v1/analyse", files=[("file", ("a.jpg", b"x"))] * 201)
    assert (answer.status_code, answer.json()["detail"]) == (400, "at most 200 pictures fit into one request")


def test_how_many_matches_are_wanted_may_be_said_in_the_address_a_form_and_json(served: Served) -> None:
    uri = f"data:image/jpeg;base64,{base64.b64encode(RED).decode()}"
    answers = [
        served.client.post("/v1/analyse?top=2", files={"file": RED}),
        served.client.post("/v1/analyse", files={"file": RED}, data={"top": "2"}),
        served.client.post("/v1/analyse", json={"image": uri, "top": 2}),
    ]
    assert [len(each.json()["results"][0]["matches"]) for each in answers] == [2, 2, 2]
    for wrong in ("-1", "10001", "x"):
        assert served.client.post("/v1/analyse", files={"file": RED}, data={"top": wrong}).status_code == 400


def test_a_field_that_is_no_picture_is_named_and_where_it_is_not_alone_so_is_the_cause(served: Served) -> None:
    wrong = "https://example.com/"
    for answer in (
        served.client.post("/v1/analyse", files={"file": RED}, data={"image": wrong}),
        served.client.post("/v1/analyse", json={"image": wrong, "urls": [wrong]}),
    ):
        assert answer.json()["code"] == "source-unavailable"
        assert answer.json()["detail"].startswith("`image`: this is no data URI")
        assert answer.json()["detail"].endswith(
            "other pictures came beside it: leave `image` out where it is not meant"
        )
    assert "beside" not in served.client.post("/v1/analyse", json={"image": wrong}).json()["detail"]


def test_large_bodies_take_places_and_small_ones_do_not(served: Served) -> None:
    head = f"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {served.key}\r\nContent-Type: application/json\r\n"
    large = [f"{head % path}Content-Length: 300000\r\n\r\n" for path in ("search", "searches", "keys", "webhooks")]
    with ExitStack() as stack:
        lines = [stack.enter_context(served.connected()) for _ in range(5)]
        for line, begun in zip(lines, [*large, f"{head % 'search'}Transfer-Encoding: chunked\r\n\r\n"], strict=True):
            line.sendall(begun.encode())
        (refused,) = select.select(lines, [], [], 10)[0]
        answer = b"".join(iter(lambda: refused.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"limit":"serve.uploads"' in answer
        assert b"Too much is under way" in answer
        assert served.client.post("/v1/search", json={"parts": [{"text": "red"}]}).status_code == 200
    parts = {"parts": [{"text": "red"}]}
    again = (served.client.post("/v1/search", content=padded(parts)).status_code for _ in range(500))
    assert 200 in again, "the places of those who went away are not free again"


def padded(value: object) -> bytes:
    return json.dumps(value).encode() + b" " * 300_000


def fingerprint(kind: str, body: bytes) -> bytes:
    """Return what a request with this body is known by, whose bytes come in twos."""
    scope: Any = {"path": "/", "query_string": b"", "headers": [(b"content-type", kind.encode())]}
    parts = [body[start : start + 2] for start in range(0, len(body), 2)]

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def read() -> bytes:
        hashed = _Hashed(scope, receive)
        assert await hashed.ends(1000)
        return hashed.fingerprint()

    return asyncio.run(read())


def test_a_body_that_is_no_whole_form_is_known_by_its_bytes_whatever_it_is_called() -> None:
    def form(boundary: str, value: str) -> bytes:
        return fingerprint(
            f"multipart/form-data; boundary={boundary}",
            f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n{value}\r\n--{boundary}--\r\n'.encode(),
        )

    assert form("x", "zebra") == form("yy", "zebra") != form("x", "lion")
    kind = "multipart/form-data; boundary=x"
    for one, other in (('{"text":"zebra"}', '{"text":"lion"}'), ("--x\r\nA: b\r\n\r\n1", "--x\r\nA: b\r\n\r\n2")):
        assert fingerprint(kind, one.encode()) != fingerprint(kind, other.encode())


def test_fields_of_a_form_that_nobody_filled_in_say_nothing(served: Served) -> None:
    form: dict[str, Any] = {
        "file": ("", b"", "application/octet-stream"),
        "image": (None, ""),
        "owner": (None, ""),
        "caption": (None, "a square"),
        "public_id": (None, ""),
        "tags": (None, ""),
    }
    empty = served.client.post("/v1/assets", files=form)
    assert (empty.status_code, empty.json()["code"]) == (400, "usage"), empty.text
    assert "there is no picture" in empty.json()["detail"]
    stored = served.client.post("/v1/assets", files={**form, "file": ("red.jpg", RED)})
    asset = stored.json()["results"][0]["asset"]
    assert (asset.get("owner"), asset["caption"], asset.get("public_id")) == (None, "a square", None)
    refused = served.client.post(
        "/v1/assets", params={"owner": ""}, content=RED, headers={"Content-Type": "image/jpeg"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "usage"), refused.text
