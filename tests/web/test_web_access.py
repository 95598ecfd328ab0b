"""Who may ask: keys with scopes, hosts and origins; health, version and the documentation are open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from opsin.services.base.keys import Keys
from opsin.services.base.layout import Layout

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served

OPEN = [
    "/v1/health/live",
    "/v1/health/ready",
    "/v1/version",
    "/v1/docs",
    "/v1/docs/swagger-ui-bundle.js",
    "/v1/openapi.json",
]


@pytest.mark.parametrize("address", OPEN)
def test_what_is_open_needs_no_key(served: Served, address: str) -> None:
    with served.client_with(None) as client:
        assert client.get(address).status_code == 200


def test_everything_else_needs_a_key(served: Served) -> None:
    schema = served.client.get("/v1/openapi.json").json()
    with served.client_with(None) as client, served.client_with("opsin_00000000_0") as wrong:
        for path, methods in schema["paths"].items():
            for method in methods:
                if path in OPEN:
                    continue
                address = path.replace("{number}", "1").replace("{key_id}", "x")
                address = re.sub(r"\{\w+\}", "01a20a74-8d66-7ae0-a15c-eb1c889c71b3", address)
                for each in (client, wrong):
                    answer = each.request(method, address)
                    assert (answer.status_code, answer.json()["code"]) == (401, "key-refused"), path
                    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_does_what_its_scope_allows_until_it_is_revoked(served: Served) -> None:
    keys = Keys(Layout(served.home))
    made = keys.create("reader", "read")
    with served.client_with(made.key) as client:
        assert client.get("/v1/tags").status_code == 200
        refused = client.post("/v1/assets", content=b"x", headers={"Content-Type": "image/png"})
        assert (refused.status_code, refused.json()["code"]) == (403, "access-refused")
        keys.revoke(made.id)
        assert client.get("/v1/tags").status_code == 401
    with served.client_with(None) as client:
        assert client.get("/v1/tags", headers={"X-Api-Key": served.key}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8484", "localhost", "[::1]:9", "opsin.example", "OPSIN.example:443"])
def test_the_service_answers_to_its_names_with_any_port(served: Served, host: str) -> None:
    assert served.client.get("/v1/version", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8484", "opsin.example.evil.example", "[", "localhost.evil"]
)
def test_the_service_answers_to_no_other_name(served: Served, host: str) -> None:
    for address in ("/v1/version", "/nothing"):
        answer = served.client.get(address, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin-refused")


def test_pages_of_other_sites_may_not_ask(served: Served) -> None:
    def asked(origin: str) -> int:
        return served.client.get("/v1/version", headers={"Origin": origin}).status_code

    assert asked(served.url) == asked("https://shop.example") == 200
    assert {asked("https://evil.example"), asked("null"), asked("http://localhost:1"), asked("http://[")} == {403}


def test_the_documentation_loads_from_this_service_only(served: Served) -> None:
    page = served.client.get("/v1/docs")
    assert "http" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "start.js"):
        assert f"docs/{name}" in page.text
        assert served.client.get(f"/v1/docs/{name}").content
    assert served.client.get("/v1/docs/index.html").status_code == 404
    slashed = served.client.get("/v1/docs/")
    assert (slashed.status_code, str(slashed.next_request and slashed.next_request.url)) == (
        308,
        f"{served.url}/v1/docs",
    )


def test_an_admin_makes_lists_and_revokes_keys_and_nobody_else_does(served: Served) -> None:
    answer = served.client.post("/v1/keys", json={"name": "shop <b>", "scope": "write"})
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    with served.client_with(made["key"]) as client:
        refused = client.post("/v1/keys", json={"name": "another", "scope": "admin"})
        assert (refused.status_code, refused.json()["code"]) == (403, "access-refused")
        assert client.get("/v1/keys").status_code == client.delete(f"/v1/keys/{made['id']}").status_code == 403
        (shown,) = [each for each in served.client.get("/v1/keys").json()["keys"] if each["id"] == made["id"]]
        assert (shown["name"], shown["scope"], "key" in shown) == ("shop <b>", "write", False)
        assert shown["last_used_at"] >= shown["created_at"]
        assert served.client.delete(f"/v1/keys/{made['id']}").json()["id"] == made["id"]
        assert client.get("/v1/tags").status_code == 401
    assert served.client.delete(f"/v1/keys/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "a\0b"},
        {"name": "a\x1b[31mb"},
        {"name": "a\nb"},
        {"name": "a\u202eb"},
        {"name": "x" * 201},
        {"name": "x", "scope": "root"},
        {"nam": "x"},
    ],
)
def test_a_key_that_cannot_be_made_is_a_problem(served: Served, body: dict[str, str]) -> None:
    answer = served.client.post("/v1/keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")


def test_who_asks_too_often_is_told_when_to_come_again(serve: Serve, served: Served) -> None:
    assert "ratelimit" not in served.client.get("/v1/tags").headers
    first = serve()
    first.stop()
    settings = first.home / "opsin.toml"
    settings.write_text(settings.read_text().replace("[serve]", "[serve]\nrate_limit = 3"), "utf-8")
    served_here = serve(first.home)
    answers = [served_here.client.get("/v1/keys") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["ratelimit"].split(";")[1] for each in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert answers[-1].json()["code"] == "too-many-requests"
    assert answers[-1].json()["limit"] == "serve.rate_limit"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert served_here.client.get("/v1/health/live").status_code == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://localhost:1/v1/version", 200),
        (b"HTTP://127.0.0.1/v1/version?", 200),
        (b"http://localhost", 307),
        (b"http://evil.example/v1/version", 403),
        (b"http:///v1/version", 404),
        (b"ftp://localhost/v1/version", 404),
    ],
)
def test_an_address_that_names_the_service_too_is_answered_as_a_proxy_would_be(
    served: Served, target: bytes, status: int
) -> None:
    answer = served.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] == str(status).encode(), answer
