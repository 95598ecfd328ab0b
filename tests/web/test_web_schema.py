"""Whatever can be asked: Schemathesis with what OpenAPI allows and what it does not, and texts that do harm elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Served

HERE = Path(__file__).parent
RED = jpeg_bytes(make_picture("red", "square", 96))
TEXTS = {
    "a script": "<script>alert(1)</script>'\"--; DROP TABLE asset;",
    "control characters": "a\r\nSet-Cookie: x=1\t\x1b[31m\x07\x7f\x85b",
    "NUL": "a\x00b",
    "bidi marks": "photo\u202egpj.exe\u2066\u200f\ufeff\u2028",
    "half a character": "a\ud800b",
    "no characters": "\ufffe\uffff\U0010ffff",
    "combining marks": "a" + "\u0301" * 3000,
    "a megabyte": "x" * 1_000_000,
    "nothing": "",
    "spaces": " \u3000\xa0 ",
    "a format": "%s{0}${jndi:ldap://x}{{7*7}}../../etc/passwd",
}


def test_nothing_that_can_be_asked_breaks_the_service_or_its_schema(served: Served, tmp_path: Path) -> None:
    for color in ("red", "blue"):
        served.client.post("/v1/assets", files={"file": jpeg_bytes(make_picture(color, "square", 96))})
    ran = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                HERE / "schemathesis.toml",
                "run",
                "--no-color",
            ),
            *("-H", f"Authorization: Bearer {served.key}", f"{served.url}/v1/openapi.json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "schema_hooks.py")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def asset(served: Served) -> str:
    """Return the address of an asset."""
    answer = served.client.post("/v1/assets", files={"file": RED}, data={"owner": "of the texts"})
    return f"/v1/assets/{answer.json()['results'][0]['asset']['id']}"


def in_json(value: object) -> Any:
    """Return what httpx sends of a value with half characters, which it does not encode itself."""
    return {"content": json.dumps(value).encode(), "headers": {"Content-Type": "application/json"}}


def check(answer: httpx.Response, text: str, given_back: str | None) -> None:
    """Check that a text was stored and comes back as it was sent, or was refused with a problem that says why."""
    assert answer.status_code < 500, answer.text[:1000]
    if answer.is_success:
        assert given_back is None or given_back == text
        return
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] != "error"
    assert 0 < len(problem["detail"]) <= 1000, problem["detail"][:300]


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("field", ["owner", "caption", "public_id"])
def test_what_is_said_of_an_asset_comes_back_as_it_was_or_is_refused(
    served: Served, asset: str, field: str, kind: str
) -> None:
    answer = served.client.patch(asset, **in_json({field: TEXTS[kind]}))
    check(answer, TEXTS[kind], answer.json().get(field))
    if answer.is_success:
        check(served.client.get(asset), TEXTS[kind], served.client.get(asset).json()[field])
        where = served.client.get("/v1/assets", params={"where": f"{field}={TEXTS[kind][:2000]}"})
        check(where, "", None)


@pytest.mark.parametrize("kind", TEXTS)
def test_context_tags_and_labels_take_any_text_or_say_why_not(served: Served, asset: str, kind: str) -> None:
    text = TEXTS[kind]
    answer = served.client.patch(asset, **in_json({"context": {text: [text]}}))
    check(answer, text, next(iter((answer.json().get("context") or {"": ""}).keys())))
    check(served.client.patch(f"{asset}/tags", **in_json({"add": [text]})), text, None)
    check(served.client.patch(f"{asset}/tags", **in_json({"remove": [text]})), text, None)


@pytest.mark.parametrize("kind", TEXTS)
def test_uploads_take_any_name_and_field_or_say_why_not(served: Served, kind: str) -> None:
    text = TEXTS[kind]
    for file, fields in ((text, {}), ("red.jpg", {"owner": text, "caption": text, "tags": text, "context": text})):
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), raw(value))
            for name, value in fields.items()
        )
        body += b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--x--\r\n' % (
            raw(file),
            RED,
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        for address in ("/v1/assets", "/v1/analyse") if not fields else ("/v1/assets",):
            check(served.client.post(address, content=body, headers=headers), text, None)
    check(served.client.post("/v1/assets", **in_json({"image": text, "owner": text, "tags": [text]})), text, None)


def raw(text: str) -> bytes:
    """Return a text as a careless program sends it."""
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", TEXTS)
def test_searches_keys_and_webhooks_take_any_text_or_say_why_not(served: Served, kind: str) -> None:
    text = TEXTS[kind]
    check(served.client.post("/v1/search", **in_json({"parts": [{"text": text}], "where": []})), text, None)
    for condition in (text, f"tag={text}", f"owner={text}", f"width>={text}"):
        asked = {"parts": [{"text": "red"}], "where": [condition]}
        check(served.client.post("/v1/search", **in_json(asked)), text, None)
    check(served.client.post("/v1/search", **in_json({"parts": [{"text": "red"}], "cursor": text})), text, None)
    for part in ("image", "url"):
        check(served.client.post("/v1/search", **in_json({"parts": [{part: text}]})), text, None)
    made = served.client.post("/v1/keys", **in_json({"name": text}))
    check(made, text, made.json().get("name"))
    check(served.client.post("/v1/webhooks", **in_json({"url": text, "events": [text]})), text, None)
    check(served.client.post("/v1/webhooks", **in_json({"url": "https://a.example/", "events": [text]})), text, None)
    saved = served.client.post("/v1/searches", **in_json({"name": text, "parts": [{"text": "red"}]}))
    check(saved, text, saved.json().get("name") if text else None)


@pytest.mark.parametrize("text", ["cat " * 250_000, "x" * 1_000_000])
def test_a_megabyte_of_words_is_refused_at_once_wherever_it_comes(served: Served, text: str) -> None:
    parts: dict[str, Any] = {"parts": [{"text": text}]}
    (made,) = [served.client.post("/v1/searches", json={"parts": [{"text": "red"}]}).json()["id"]]
    begun = time.monotonic()
    for answer in (
        served.client.post("/v1/search", json=parts),
        served.client.post("/v1/search", json={"parts": [{"text": "x" * 1500}] * 2}),
        served.client.post("/v1/search", json=parts | {"hybrid": True}),
        served.client.post("/v1/search", files={"file": RED}, data={"text": text}),
        served.client.post("/v1/searches", json=parts),
        served.client.patch(f"/v1/searches/{made}", json=parts),
        served.client.post("/v1/vocabularies", json={"name": "long", "labels": [{"id": "a", "prompts": [text]}]}),
        served.client.get("/v1/search", params={"q": text[:3000]}),
    ):
        assert (answer.status_code, answer.json()["code"]) in {(400, "usage"), (400, "setting")}, answer.text[:300]
    assert time.monotonic() - begun < 10
    assert served.client.get("/v1/health/ready").status_code == 200


@pytest.mark.parametrize("kind", TEXTS)
def test_addresses_and_headers_hold_any_bytes_or_are_refused(served: Served, asset: str, kind: str) -> None:
    text = httpx.QueryParams({"q": TEXTS[kind].encode("utf-8", "replace").decode()[:100_000]})
    for address in (
        f"/v1/search?{text}",
        f"{asset}/explain?label={str(text)[2:]}",
        f"/v1/assets/by-public-id/{str(text)[2:]}",
    ):
        try:
            answer = served.client.get(address)
        except httpx.InvalidURL:
            continue
        check(answer, "", None)
    value = raw(TEXTS[kind])[:100_000]
    for name in (b"X-Request-Id", b"Authorization", b"If-Match", b"If-None-Match", b"Content-Type", b"Idempotency-Key"):
        lines = b"POST /v1/assets HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: %s\r\n" % served.key.encode()
        answered = served.raw(lines + b"%s: %s\r\nContent-Length: 0\r\n\r\n" % (name, value))
        assert answered.split()[1].startswith(b"4"), answered[:500]


def test_and_nothing_of_this_left_a_traceback(served: Served) -> None:
    assert "Traceback" not in (served.home / "log").read_text()
