"""Idempotency-Key: what is sent again is done once, for a day, over restarts, and apart for each key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import func, select, update

import opsin
from opsin.catalogue.tables import idempotency
from opsin.services.base.answers import Answer
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served

RED = jpeg_bytes(make_picture("red", "square", 96))
BLUE = jpeg_bytes(make_picture("blue", "circle", 96))


def upload(
    served: Served, name: str, data: bytes = RED, key: str | None = None, **fields: str
) -> tuple[httpx.Response, Any]:
    headers = {"Idempotency-Key": name} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    answer = served.client.post("/v1/assets", files={"file": ("red.jpg", data)}, data=fields, headers=headers)
    return answer, answer.json()


def test_an_upload_that_is_sent_again_is_answered_as_before(served: Served) -> None:
    (first, said), (again, repeated) = upload(served, "one", owner="ann"), upload(served, "one", owner="ann")
    assert (first.status_code, again.status_code) == (201, 201)
    assert said == repeated
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert first.headers["content-type"] == again.headers["content-type"]
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert upload(served, "two", owner="ann")[0].status_code == 200


def test_another_request_of_the_same_name_is_told_so(served: Served) -> None:
    assert upload(served, "used", owner="una")[0].status_code == 201
    for answer, problem in (upload(served, "used", BLUE, owner="una"), upload(served, "used", owner="bob")):
        assert (answer.status_code, problem["code"]) == (422, "another-request")
    elsewhere = served.client.post(
        "/v1/keys", json={"name": "x"}, headers={"Idempotency-Key": "used", "Content-Type": "application/json"}
    )
    assert elsewhere.status_code == 422


def test_what_was_refused_may_be_sent_again_mended(served: Served) -> None:
    assert upload(served, "mended", b"no picture")[0].status_code == 422
    assert upload(served, "mended", RED, owner="mia")[0].status_code == 201


def test_an_answer_with_a_picture_that_has_a_problem_is_not_kept(served: Served) -> None:
    def send(*pictures: bytes) -> Any:
        files = [("file", (f"{place}.jpg", data)) for place, data in enumerate(pictures)]
        headers = {"Idempotency-Key": "several"}
        return served.client.post("/v1/assets", files=files, data={"owner": "sev"}, headers=headers)

    for pictures in ((b"no", b"none"), (RED, b"no")):
        answers = [send(*pictures), send(*pictures)]
        assert [each.is_success for each in answers] == [True, True]
        assert not any("idempotency-replayed" in each.headers for each in answers)
    assert "idempotency-replayed" not in send(RED, RED).headers
    assert send(RED, RED).headers["idempotency-replayed"] == "true"


def test_each_api_key_has_names_of_its_own(served: Served) -> None:
    other = served.client.post("/v1/keys", json={"name": "other", "scope": "write"}).json()["key"]
    assert upload(served, "shared", RED, owner="eve")[0].status_code == 201
    answer, said = upload(served, "shared", BLUE, other, owner="mal")
    assert (answer.status_code, said["results"][0]["status"]) == (201, "added")


def test_a_secret_is_shown_once_and_its_repeat_is_told_so(served: Served) -> None:
    headers = {"Idempotency-Key": "secret"}
    made = served.client.post("/v1/keys", json={"name": "once"}, headers=headers)
    again = served.client.post("/v1/keys", json={"name": "once"}, headers=headers)
    assert (made.status_code, again.status_code, again.json()["code"]) == (201, 409, "already-answered")
    assert sum(each["name"] == "once" for each in served.client.get("/v1/keys").json()["keys"]) == 1
    secret = made.json()["key"].rsplit("_", 1)[1].encode()
    assert not any(secret in file.read_bytes() for file in served.home.glob("catalogue.sqlite*"))


def test_a_post_without_a_body_is_repeated_too(served: Served) -> None:
    asset = upload(served, "to-restore", owner="zoe")[1]["results"][0]["asset"]["id"]
    served.client.delete(f"/v1/assets/{asset}")
    answers = [
        served.client.post(f"/v1/assets/{asset}/restore", headers={"Idempotency-Key": "restored"}) for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[1].headers["idempotency-replayed"] == "true"


def test_what_an_answer_tells_of_an_erased_asset_goes_with_it(library: opsin.Library) -> None:
    (red,) = library.add(RED)
    assert red.id
    for name, body in (("gone", f'{{"id":"{red.id}"}}'.encode()), ("stays", b"{}")):
        library.answers.keep("key", name, Answer(fingerprint=b"x" * 32, status=201, headers=(), body=body))
    library.delete(red.id, at_once=True)
    assert library.answers.find("key", "gone") is None
    assert library.answers.find("key", "stays")


@pytest.mark.parametrize("name", ["", "a b", "x" * 256, "\xe4", '"\t"'])
def test_a_name_that_cannot_be_one_is_refused(served: Served, name: str) -> None:
    answer = served.client.post("/v1/assets", content=RED, headers=[(b"Idempotency-Key", name.encode("latin-1"))])
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "\xff/\x01", ""])
def test_a_broken_body_is_refused_as_without_a_name(served: Served, kind: str) -> None:
    headers = [(b"Idempotency-Key", b"broken"), (b"Content-Type", kind.encode("latin-1"))]
    assert served.client.post("/v1/assets", content=b"--x\r\n", headers=headers).status_code in {400, 415}


def test_reading_is_never_kept(served: Served) -> None:
    for data in (RED, BLUE):
        answer = served.client.post("/v1/analyse", files={"file": data}, headers={"Idempotency-Key": "look"})
        assert answer.status_code == 200


def test_a_repeat_while_the_first_is_under_way_is_asked_to_wait(served: Served) -> None:
    lines = [
        "POST /v1/assets?owner=slow HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {served.key}",
        "Content-Type: image/jpeg",
        "Idempotency-Key: slow",
        f"Content-Length: {len(RED)}",
    ]
    request = "\r\n".join([*lines, "", ""]).encode() + RED
    for tries in range(1, 20):
        with served.connected() as line:
            line.sendall(request[:-10])
            time.sleep(0.05 * tries)
            found, problem = upload(served, "slow", b"no picture")
            if found.status_code == 409:
                line.sendall(request[-10:])
                assert b"201 Created" in line.recv(65536)
                break
    assert problem["code"] == "still-under-way"
    assert int(found.headers["retry-after"]) > 0
    assert upload(served, "slow", b"no picture")[0].status_code == 422


def test_a_repeat_after_a_restart_is_answered_as_before(served: Served, serve: Serve) -> None:
    _, first = upload(served, "restarted", owner="ida")
    served.stop()
    again = serve(served.home)
    answer, said = upload(again, "restarted", owner="ida")
    assert (answer.status_code, said) == (201, first)


def test_answers_go_after_a_day(library: opsin.Library) -> None:
    answer = Answer(fingerprint=b"x" * 32, status=201, headers=(("content-type", "application/json"),), body=b"{}")
    library.answers.keep("key", "old", answer)
    assert library.answers.find("key", "old") == answer
    with library._workspace.catalogue.write() as connection:
        connection.execute(update(idempotency).values(at="2026-01-01T00:00:00.000Z"))
    assert library.answers.find("key", "old") is None
    library.answers.keep("key", "new", answer)
    with library._workspace.catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(idempotency)).scalar_one() == 1
