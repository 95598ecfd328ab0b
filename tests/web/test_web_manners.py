"""Manners of the service: ids of requests, one line of log each, limits before bodies are read, and plain HTTP oddities."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from opsin.testing import jpeg_bytes, make_picture
from opsin.web.reception import Reception

if TYPE_CHECKING:
    from tests.web.conftest import Served

RED = jpeg_bytes(make_picture("red", "square", 96))
ORIGIN = {"Origin": "https://shop.example"}


def parsed(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and JSON of an answer as it came over the line."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


def head(served: Served, *lines: str, first: str = "POST /v1/analyse HTTP/1.1") -> bytes:
    lines = (first, "Host: localhost", f"Authorization: Bearer {served.key}", *lines)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_request_keeps_its_own_id_in_answer_problem_and_log(served: Served) -> None:
    answer = served.client.get("/v1/nothing", headers={"X-Request-Id": "shop-42"})
    assert (answer.headers["x-request-id"], answer.json()["request_id"]) == ("shop-42", "shop-42")
    (line,) = served.log_of("shop-42")
    assert (line["status"], line["route"], line["method"], line["level"]) == (404, "none", "GET", "info")


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "<script>", "\xe4"])
def test_an_id_that_is_not_sane_is_replaced_by_a_uuid(served: Served, given: str) -> None:
    answer = served.client.get("/v1/version", headers=[(b"X-Request-Id", given.encode("latin-1"))])
    assert UUID(answer.headers["x-request-id"]).version == 7


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "evil.example"}, 403), ({"Authorization": "Bearer no"}, 401), ({}, 200)]
)
def test_every_answer_has_an_id_whoever_gives_it(served: Served, headers: dict[str, str], status: int) -> None:
    answer = served.client.get("/v1/tags", headers=headers)
    assert answer.status_code == status
    assert UUID(answer.headers["x-request-id"]).version == 7


def test_the_log_has_the_route_and_the_key_but_no_id_no_words_and_no_secret(served: Served) -> None:
    asset = "019a20a7-8d66-7ae0-a15c-eb1c889c71b3"
    served.client.get(f"/v1/assets/{asset}", headers={"X-Request-Id": "one"})
    served.client.get("/v1/search", params={"q": "zebracrossing"}, headers={"X-Request-Id": "two"})
    (one,), (two,) = served.log_of("one"), served.log_of("two")
    assert one["route"].startswith("/v1/assets/{asset_id")
    assert one["key"] == two["key"] == served.key.split("_")[1]
    assert two["duration_ms"] > 0
    assert two["bytes"] > 10
    text = (served.home / "log").read_text()
    assert not any(secret in text for secret in (asset, "zebracrossing", served.key))


def test_head_is_get_without_the_body(served: Served) -> None:
    asked, headed = served.client.get("/v1/tags"), served.client.head("/v1/tags")
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-length"] == asked.headers["content-length"]
    assert served.client.head("/v1/nothing").status_code == 404


def test_head_of_an_answer_that_goes_on_is_over_at_once() -> None:
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"more", "more_body": True})

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect" if len(sent) > 1 else "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    app = Reception(endless, patience=1.0, observers=[], ending=lambda: None)
    scope: Any = {"type": "http", "method": "HEAD", "path": "/", "headers": []}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    assert (sent[1]["body"], sent[1]["more_body"]) == (b"", False)


def test_a_wrong_method_is_told_which_there_are(served: Served) -> None:
    answer = served.client.request("DELETE", "/v1/search")
    assert (answer.status_code, answer.json()["code"]) == (405, "wrong-method")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert answer.json()["detail"].endswith(": send GET or POST")
    assert served.client.get("/v1/analyse").json()["detail"].endswith(": send POST")
    assert served.client.request("BREW", "/v1/search").status_code == 405


def test_a_word_where_an_id_is_meant_is_told_what_finds_an_asset_by_its_name(served: Served) -> None:
    for address in ("/v1/assets/zebra", "/v1/assets/zebra/similar"):
        answer = served.client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-name")
        assert answer.json()["detail"].startswith("'zebra' is no id: here stands the id of an asset; /v1/assets/named")
    assert "there is no job 'zebra'" in served.client.post("/v1/jobs/zebra/cancel").json()["detail"]
    assert "/v1/docs" in served.client.get("/v1/zebra").json()["detail"]


@pytest.mark.parametrize(
    "address", ["/v1/assets/named?name=", "/v1/jobs/", "/v1/assets/by-public-id/", "/v1/exports/x/"]
)
def test_the_longest_name_is_the_name_of_nothing(served: Served, address: str) -> None:
    answer = served.client.get(address + "x" * 60_000)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-name"), answer.text


def test_every_answer_is_for_its_key_alone_also_in_a_cache_that_knows_no_keys(served: Served) -> None:
    answers = [served.client.get(each) for each in ("/v1/assets", "/v1/tags", "/v1/search?q=red", "/v1/jobs", "/nope")]
    answers.append(served.client.get("/v1/tags/red/assets", headers=ORIGIN))
    for answer in answers:
        assert answer.headers["cache-control"].startswith("private"), answer.url
        assert answer.headers["vary"] == "Origin, Authorization, X-Api-Key", answer.url
    page = served.client.get("/v1/docs/swagger-ui.css").headers
    assert (page["cache-control"], "vary" in page) == ("public, max-age=86400", False)


def test_the_bare_name_of_the_service_leads_to_its_page(served: Served) -> None:
    with served.client_with(None) as client:
        assert (led := client.get("/")).status_code == 307
        assert led.headers["location"] == "v1/docs"
        assert client.get("/", follow_redirects=True).headers["content-type"].startswith("text/html")


def test_options_says_what_there_is_without_a_key(served: Served) -> None:
    with served.client_with(None) as client:
        answer = client.options("/v1/search")
    assert answer.status_code == 204
    assert {"GET", "POST"} <= {each.strip() for each in answer.headers["allow"].split(",")}


def test_pages_of_allowed_origins_may_ask_and_read_the_answer(served: Served) -> None:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-request-id"}
    with served.client_with(None) as client:
        before = client.options("/v1/search", headers=ORIGIN | wanted)
        refused = client.options("/v1/search", headers={"Origin": "https://evil.example"} | wanted)
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert "access-control-allow-credentials" not in before.headers
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)
    answer = served.client.get("/v1/tags", headers=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert answer.headers["vary"].startswith("Origin")
    assert "access-control-allow-origin" not in served.client.get("/v1/tags").headers


def test_pages_may_send_and_read_what_the_documentation_tells_them_to(served: Served) -> None:
    def asked(headers: str, method: str = "GET", origin: str = ORIGIN["Origin"]) -> Any:
        wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
        return served.client.options("/v1/assets", headers={"Origin": origin} | wanted)

    for name in ("last-event-id", "Idempotency-Key", "if-match", "x-api-key, content-type, accept"):
        assert asked(name).status_code == 204, name
        assert name.split(",")[0].lower() in asked(name).headers["access-control-allow-headers"].lower()
    for refused in (asked("authorization, x-nonsense"), asked("authorization", "BREW")):
        assert (refused.status_code, refused.json()["code"]) == (400, "usage")
        assert refused.headers["content-type"] == "application/problem+json"
    assert asked("x-nonsense", origin=served.url).status_code == 204, "its own page need not ask"
    exposed = served.client.get("/v1/tags", headers=ORIGIN).headers["access-control-expose-headers"].split(", ")
    assert {"ETag", "Idempotency-Replayed", "Allow", "WWW-Authenticate", "Retry-After"} <= set(exposed)


def test_what_lies_below_the_schema_is_a_problem_and_no_page(served: Served) -> None:
    answer = served.client.get("/v1/openapi.json/anything")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-name")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        (["Content-Length: 3", "Transfer-Encoding: chunked"], b"0\r\n\r\n", 400),
        (["Content-Length: 3", "Content-Length: 4"], b"abcd", 400),
        (["Content-Length: -1"], b"", 400),
        (["Content-Length: +3"], b"abc", 400),
        (["Content-Length: 99999999999999999999999"], b"", 400),
        (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n", 400),
        (["Transfer-Encoding : chunked"], b"0\r\n\r\n", 400),
        (["Host: twice.example"], b"", 400),
        (["X-Long: " + "x" * 70_000], b"", 431),
        ([f"X-Many-{number}: {'x' * 1000}" for number in range(80)], b"", 431),
    ],
)
def test_heads_that_two_servers_could_read_differently_are_refused(
    served: Served, lines: list[str], body: bytes, status: int
) -> None:
    found, headers, problem = parsed(served.raw(head(served, "Content-Type: image/jpeg", *lines) + body))
    assert (found, problem["status"], headers["content-type"]) == (status, status, "application/problem+json")
    assert headers["connection"] == "close"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/version\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n", 400),
        (b"GET /v1/version HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /" + b"x" * 66_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"x" * 70_000, 431),
    ],
)
def test_what_is_no_http_is_a_problem_too(served: Served, request_: bytes, status: int) -> None:
    found, headers, problem = parsed(served.raw(request_))
    assert (found, problem["status"]) == (status, status)
    assert UUID(headers["x-request-id"]).version == 7


def test_a_body_that_does_not_come_is_answered_408_for_files_and_for_json(served: Served) -> None:
    for first, kind in (("POST /v1/analyse", "image/jpeg"), ("POST /v1/search", "application/json")):
        lines = (f"Content-Type: {kind}", "Content-Length: 100")
        found, headers, problem = parsed(served.raw(head(served, *lines, first=f"{first} HTTP/1.1") + b"{"))
        assert (found, problem["code"], problem["limit"]) == (408, "body-too-slow", "serve.body_timeout")
        assert headers["connection"] == "close"


def test_a_client_that_goes_away_leaves_one_line_and_no_traceback(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    for number, kind in enumerate(("image/jpeg", "multipart/form-data; boundary=x", "application/json")):
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(
                head(served, f"Content-Type: {kind}", "Content-Length: 1000", f"X-Request-Id: gone-{number}") + b"{"
            )
        (said,) = served.log_of(f"gone-{number}")
        assert (said["status"], said["level"]) == (499, "info")
    assert "Traceback" not in (served.home / "log").read_text()


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/v1/tags?limt=5"),
        ("GET", "/v1/search?q=red&limt=5"),
        ("GET", "/v1/assets?sorted="),
        ("POST", "/v1/assets?nonsense=1"),
        ("POST", "/v1/analyse?topp=5"),
    ],
)
def test_a_query_parameter_that_there_is_not_is_told_with_those_that_there_are(
    served: Served, method: str, address: str
) -> None:
    answer = served.client.request(method, address, content=RED, headers={"Content-Type": "image/jpeg"})
    assert (answer.status_code, answer.json()["code"]) == (400, "usage"), answer.text
    assert "query parameter" in answer.json()["detail"]
