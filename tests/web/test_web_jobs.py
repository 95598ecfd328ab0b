"""Jobs over HTTP: asked for, looked at, followed and cancelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from opsin.client import Client
from opsin.errors import UnknownName
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served

NOBODY = "00000000-0000-7000-8000-000000000000"


def events(told: str) -> list[dict[str, str]]:
    """Return the events of a stream, as the standard says that they are read."""
    blocks = [block for block in told.replace("\r\n", "\n").split("\n\n") if block.strip()]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


@pytest.fixture(scope="module")
def job(served: Served) -> dict[str, Any]:
    """Return a job that is over."""
    picture = jpeg_bytes(make_picture("red", "square", 96))
    assert served.client.post("/v1/assets", files={"file": ("red.jpg", picture)}).status_code == 201
    made = served.client.post("/v1/reanalyse", json={"where": ["format=jpeg"]})
    assert made.status_code == 202
    assert made.headers["Location"] == f"/v1/jobs/{made.json()['id']}"
    served.client.get(f"{made.headers['Location']}/events")  # ends with the job
    return dict(served.client.get(made.headers["Location"]).json())


def test_a_job_is_answered_at_once_and_shows_what_came_of_it(served: Served, job: dict[str, Any]) -> None:
    assert (job["kind"], job["state"], job["done"], job["total"]) == ("reanalyse", "done", 1, 1), job
    assert job["result"]["contents"] == 1
    assert served.client.get("/v1/jobs", params={"state": "done", "kind": "reanalyse"}).json()["jobs"] == [job]
    assert served.client.get("/v1/jobs", params={"state": "queued"}).json() == {"jobs": [], "cursor": None}


def test_a_job_is_followed_to_its_end_and_who_knows_that_is_sent_nothing_more(
    served: Served, job: dict[str, Any]
) -> None:
    address = f"/v1/jobs/{job['id']}/events"
    stream = served.client.get(address)
    assert stream.headers["content-type"].startswith("text/event-stream")
    (last,) = events(stream.text)
    assert last["event"] == "job"
    assert json.loads(last["data"]) == job
    assert served.client.get(address, headers={"Last-Event-ID": last["id"]}).status_code == 204
    assert len(events(served.client.get(address, headers={"Last-Event-ID": "running-0-1"}).text)) == 1


def test_an_export_is_said_to_be_what_it_is_and_sent_once_to_who_has_it(served: Served, job: dict[str, Any]) -> None:
    assert job["state"] == "done"
    asked = served.client.post("/v1/exports", json={"vectors": "npy"}).json()["id"]
    (result,) = [served.client.get(f"/v1/jobs/{asked}", params={"wait": 30}).json()["result"]]
    kinds = {}
    for each in result["files"]:
        address = f"/v1/exports/{asked}/{each['name']}"
        answer = served.client.get(address)
        kinds[each["name"]] = answer.headers["content-type"]
        assert len(answer.content) == each["bytes"]
        again = served.client.get(address, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), again.text
    assert kinds == {
        "records.jsonl": "application/x-ndjson",
        "records.vectors.npy": "application/octet-stream",
        "records.vectors.jsonl": "application/x-ndjson",
    }


def test_a_job_that_is_over_stays_so_when_it_is_cancelled(served: Served, job: dict[str, Any]) -> None:
    assert served.client.post(f"/v1/jobs/{job['id']}/cancel").json() == job


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/events"), ("POST", "/cancel")])
def test_a_job_that_there_is_not_is_404(served: Served, method: str, rest: str) -> None:
    answer = served.client.request(method, f"/v1/jobs/{NOBODY}{rest}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-name")


def test_what_makes_no_sense_is_refused_before_there_is_a_job(served: Served) -> None:
    before = served.client.get("/v1/jobs").json()
    assert served.client.post("/v1/reanalyse", json={"where": ["nonsense"]}).status_code == 400
    assert served.client.post("/v1/reanalyse", json={"everything": True}).status_code == 400
    for unknown in ({"categorizers": ["nosuch"]}, {"where": ["tag=nosuch"]}):
        answer = served.client.post("/v1/reanalyse", json=unknown)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-name"), answer.text
    assert served.client.get("/v1/jobs").json() == before


def test_jobs_come_in_pages(served: Served, job: dict[str, Any]) -> None:
    assert served.client.post("/v1/reanalyse", json={"missing": True}).status_code == 202
    first = served.client.get("/v1/jobs", params={"limit": 1}).json()
    second = served.client.get("/v1/jobs", params={"limit": 1, "cursor": first["cursor"]}).json()
    assert first["cursor"] == first["jobs"][0]["id"] != second["jobs"][0]["id"]


def test_what_a_killed_service_had_not_begun_is_done_when_it_starts_again(serve: Serve) -> None:
    first = serve()  # its models are being loaded: whatever is asked for waits
    made = first.client.post("/v1/reanalyse", json={})
    assert made.status_code == 202
    first.process.kill()
    again = serve(first.home)
    told = events(again.client.get(f"{made.headers['Location']}/events").text)
    assert json.loads(told[-1]["data"])["state"] == "done"


def test_pictures_that_nobody_waits_for_are_added_by_a_job_that_names_them(served: Served) -> None:
    files = [("file", (name, jpeg_bytes(make_picture(name, "circle", 96)))) for name in ("blue", "green")]
    files.append(("file", ("broken", b"no picture")))
    headers = {"Idempotency-Key": "later"}
    made, again = (
        served.client.post("/v1/assets", files=files, data={"tags": "seen", "wait": "false"}, headers=headers)
        for _ in range(2)
    )
    assert (made.status_code, made.json()) == (202, again.json())
    served.client.get(f"{made.headers['Location']}/events")
    ended = served.client.get(made.headers["Location"]).json()
    assert (ended["state"], ended["done"], ended["total"]) == ("done", 3, 3), ended
    blue, green, broken = ended["result"]["results"]
    assert (blue["status"], green["status"], broken["status"]) == ("added", "added", "refused")
    assert broken["problem"]["code"] == "unreadable-picture"
    shown = served.client.get(f"/v1/assets/{blue['asset_id']}").json()
    assert (shown["name"], "seen" in [tag["label"] for tag in shown["tags"]]) == ("blue", True)
    assert not list((served.home / "staged").iterdir())


@pytest.mark.parametrize("said", [{"auto_tag": 7}, {"public_id": "two"}, {"wait": "perhaps"}])
def test_what_makes_no_sense_is_refused_before_pictures_are_stored(served: Served, said: dict[str, Any]) -> None:
    files = [("file", (name, jpeg_bytes(make_picture(name, "ring", 96)))) for name in ("red", "green")]
    answer = served.client.post("/v1/assets", files=files, data={"wait": "false", **said})
    assert answer.status_code == 400, answer.text
    assert not list((served.home / "staged").glob("*"))


def test_what_was_accepted_outlives_a_killed_service(serve: Serve) -> None:
    first = serve()  # its models are being loaded: the job has not begun, or has just
    picture = jpeg_bytes(make_picture("purple", "circle", 96))
    made = first.client.post("/v1/assets", params={"wait": "false"}, files={"file": ("late.jpg", picture)})
    assert made.status_code == 202
    first.process.kill()
    again = serve(first.home)
    told = events(again.client.get(f"{made.headers['Location']}/events").text)
    (result,) = json.loads(told[-1]["data"])["result"]["results"]
    assert again.client.get(f"/v1/assets/{result['asset_id']}/original").content == picture


def test_the_client_asks_for_jobs_and_waits_for_them(served: Served) -> None:
    with Client(served.url, served.key) as client:
        made = client.jobs.reanalyse(missing=True)
        ended = client.jobs.wait(made.id)
        assert (ended.state, ended) == ("done", client.jobs.get(made.id))
        assert client.jobs.list(state="done", limit=1) == [ended]
        assert client.jobs.list(limit=1, before=ended.id) != [ended]
        assert client.jobs.cancel(made.id) == ended
        with pytest.raises(UnknownName):
            client.jobs.wait(NOBODY)
