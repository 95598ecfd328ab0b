"""Vocabularies, encoders and plugins over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import opsin
import opsin.client
from opsin.errors import Outdated, UnknownName
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served


@pytest.fixture(scope="module")
def site(serve: Serve) -> Served:
    """Return a service with three pictures."""
    made = serve()
    made.wait_until_ready()
    for colour in ("red", "green", "blue"):
        file = {"file": (f"{colour}.jpg", jpeg_bytes(make_picture(colour, "circle", 96)))}
        assert made.client.post("/v1/assets", files=file).status_code == 201
    return made


def tags(site: Served) -> dict[str, int]:
    return {each["label"]: each["count"] for each in site.client.get("/v1/tags").json()["tags"]}


def test_what_changed_since_it_was_looked_at_is_not_changed_again(site: Served) -> None:
    client = site.client
    made = client.post("/v1/vocabularies", json={"name": "seen", "labels": [{"id": "one"}]}).json()
    place = "/v1/vocabularies/seen"
    seen = client.get(place).headers["etag"]
    assert seen == client.get(f"{place}/labels/one").headers["etag"] == f'"{made["revision"]}"'
    assert client.get(place, headers={"If-None-Match": seen}).status_code == 304
    first = client.patch(f"{place}/labels/one", headers={"If-Match": seen}, json={"synonyms": ["first"]}).json()
    late = {"If-Match": seen}
    for answer in (
        client.patch(f"{place}/labels/one", headers=late, json={"synonyms": ["second"]}),
        client.delete(f"{place}/labels/one", headers=late),
        client.delete(place, headers=late),
    ):
        assert (answer.status_code, answer.json()["code"]) == (412, "outdated")
    assert client.get(f"{place}/labels/one").json()["synonyms"] == ["first"]
    with opsin.client.Client(site.url, site.key) as asking:
        with pytest.raises(Outdated):
            asking.vocabularies.remove("seen", expected=[made["revision"]])
        asking.vocabularies.edit_label("seen", "two", expected=[first["revision"]], synonyms=["second"])
        asking.vocabularies.remove_label("seen", "one", expected=[asking.vocabularies.get("seen").revision])
        assert [label.id for label in asking.vocabularies.get("seen").labels] == ["two"]
    assert client.delete(place, headers={"If-Match": "*"}).status_code == 200


def test_words_that_mean_another_label_elsewhere_are_told_with_the_change_that_made_them_so(site: Served) -> None:
    told = ["'dog' means 'dog' in everyday and 'mate' in friends: 'dog' counts"]
    labels = [{"id": "mate", "synonyms": ["dog"]}]
    made = site.client.post("/v1/vocabularies", json={"name": "friends", "labels": labels}).json()
    assert made["disputed_words"] == told
    place = "/v1/vocabularies/friends/labels/mate"
    assert site.client.patch(place, json={"threshold": {"default": 9}}).json()["disputed_words"] == []
    with opsin.client.Client(site.url, site.key) as asking:
        assert asking.vocabularies.disputed_words() == tuple(told)
        asking.vocabularies.remove("friends")
        assert asking.vocabularies.disputed_words() == ()


def test_a_change_that_nobody_waits_for_is_made_at_once_and_scored_by_a_job(site: Served) -> None:
    client = site.client
    labels = [{"id": "form", "prompts": ["circle"], "threshold": {"default": -5}}]
    made = client.post("/v1/vocabularies", params={"wait": False}, json={"name": "later", "labels": labels})
    assert (made.status_code, made.json()["kind"]) == (202, "rescore")
    assert client.get("/v1/vocabularies/later").headers["etag"] == made.headers["etag"]
    ended = client.get(made.headers["location"], params={"wait": 60}).json()
    assert (ended["state"], ended["done"], ended["result"]["tags_added"]) == ("done", 3, 3)
    assert tags(site)["form"] == 3
    place = "/v1/vocabularies/later/labels/form"
    changed = client.patch(place, params={"wait": False}, json={"threshold": {"default": 50}})
    ended = client.get(changed.headers["location"], params={"wait": 60}).json()
    assert (changed.status_code, ended["result"]["tags_removed"]) == (202, 3)
    with opsin.client.Client(site.url, site.key) as asking:
        asking.vocabularies.edit_label("later", "form", threshold={"default": -5}, rescore=False)
        again = asking.jobs.wait(asking.jobs.rescore("later").id, timeout=60)
        assert again.result is not None
        assert (again.state, again.result["tags_added"]) == ("done", 3)
        with pytest.raises(UnknownName):
            asking.jobs.rescore("nosuch")
    gone = client.delete(place, params={"wait": False})
    assert (gone.status_code, gone.json()["kind"]) == (202, "rescore")
    assert client.get(gone.headers["location"], params={"wait": 60}).json()["state"] == "done"
    assert client.patch(place, params={"wait": False, "rescore": False}, json={}).status_code == 200
    assert client.delete("/v1/vocabularies/later").status_code == 200


def test_a_label_that_is_there_twice_is_told_in_words_of_labels(site: Served) -> None:
    twice = {"name": "mine", "labels": [{"id": "shape"}, {"id": "form"}, {"id": "shape"}]}
    answer = site.client.post("/v1/vocabularies", json=twice)
    assert (answer.status_code, answer.json()["detail"]) == (400, "the vocabulary 'mine' has the label 'shape' twice")


def test_a_vocabulary_is_tried_made_shown_changed_and_removed(site: Served) -> None:
    client = site.client
    fields: dict[str, Any] = {
        "name": "mine",
        "labels": [{"id": "shape", "prompts": ["circle"], "threshold": {"default": -5}}],
    }
    answer = client.post("/v1/vocabularies", params={"dry_run": True}, json=fields)
    assert answer.status_code == 200, "nothing was made"
    tried = answer.json()
    assert (tried["effect"]["tags_added"], tried["revision"]) == (3, None)
    assert "shape" not in tags(site)
    made = client.post("/v1/vocabularies", json=fields)
    assert (made.status_code, made.json()["rescored"]["tags_added"]) == (201, 3)
    assert tags(site)["shape"] == 3
    listed = {each["name"]: each["used"] for each in client.get("/v1/vocabularies").json()["vocabularies"]}
    assert (listed["mine"], listed["everyday"]) == (True, True)
    assert client.get("/v1/vocabularies/mine").json()["labels"][0]["prompts"] == ["circle"]
    place = "/v1/vocabularies/mine/labels/shape"
    change = {"threshold": {"default": 50}, "synonyms": ["form"]}
    tried = client.patch(place, params={"dry_run": True}, json=change).json()
    assert tried["effect"]["labels"] == [{"label": "shape", "added": 0, "removed": 3}]
    assert tried["revision"] == made.json()["revision"]
    left = client.patch(place, params={"rescore": False}, json=change).json()
    assert (left["rescored"], tags(site)["shape"]) == (None, 3)
    assert client.patch(place, json={"prompts": None}).json()["rescored"]["tags_removed"] == 3
    assert client.get(place).json() == {"id": "shape", "threshold": {"default": 50.0}, "synonyms": ["form"]}
    assert client.patch("/v1/vocabularies/mine/labels/other", json={}).status_code == 200
    assert client.delete(place, params={"dry_run": True}).json()["effect"]["tags_removed"] == 0
    assert client.delete(place).status_code == 200
    assert client.get(place).status_code == 404
    assert client.delete("/v1/vocabularies/mine", params={"dry_run": True}).json()["revision"]
    assert client.delete("/v1/vocabularies/mine").json()["revision"] is None
    assert client.get("/v1/vocabularies/mine").json()["code"] == "unknown-name"


def test_what_makes_no_sense_is_told(site: Served) -> None:
    client = site.client
    wrong: list[tuple[int, str, str, Any]] = [
        (400, "POST", "", {}),
        (400, "POST", "", {"name": "x", "labels": [{"id": "a", "colour": "red"}]}),
        (400, "POST", "", {"name": "x", "labels": [{"id": "a", "parents": ["b"]}, {"id": "b", "parents": ["a"]}]}),
        (400, "POST", "", {"name": "../../x", "labels": []}),
        (409, "POST", "", {"name": "everyday"}),
        (404, "POST", "", {"name": "/etc/passwd"}),
        (404, "PATCH", "/nobodys/labels/a", {}),
        (400, "PATCH", "/everyday/labels/dog", {"id": "cat"}),
        (400, "PATCH", "/everyday/labels/dog", {"prompts": "one"}),
        (400, "PATCH", "/everyday/labels/!!!", {}),
        (404, "DELETE", "/everyday/labels/nobodys", None),
        (404, "DELETE", "/nobodys", None),
    ]
    for status, method, path, body in wrong:
        answer = client.request(method, f"/v1/vocabularies{path}", json=body)
        assert answer.status_code == status, (path, body, answer.text)


def test_readers_see_vocabularies_and_encoders_and_change_nothing(site: Served) -> None:
    with site.client_with(opsin.keys(site.home).create("reader", "read").key) as client:
        assert client.get("/v1/vocabularies/everyday/labels/dog").json()["id"] == "dog"
        assert client.post("/v1/vocabularies", json={"name": "x", "labels": []}).status_code == 403
        assert client.patch("/v1/vocabularies/everyday/labels/dog", json={}).status_code == 403
        assert client.delete("/v1/vocabularies/everyday").status_code == 403
        assert client.get("/v1/plugins").status_code == 403
        assert client.get("/v1/insights/profile", params={"owner": "ann"}).status_code == 403
        found = client.get("/v1/encoders").json()
    assert found["used"] == "fake"
    assert {"licence", "commercial", "installed"} <= found["encoders"][0].keys()


def test_plugins_are_shown_with_how_their_objects_are(site: Served) -> None:
    found = {each["name"]: each for each in site.client.get("/v1/plugins").json()["plugins"]}
    assert found["starter"]["state"] == "off"
    (everyday,) = [each for each in found["zero_shot"]["objects"] if each["name"] == "zero_shot/everyday"]
    assert (everyday["state"], everyday["kind"]) == ("ready", "categorizer")


@pytest.mark.parametrize("place", ["profile?owner=ann", "trends?days=3", "companions?label=red"])
def test_insights_are_off_unless_they_are_switched_on(site: Served, place: str) -> None:
    answer = site.client.get(f"/v1/insights/{place}")
    assert (answer.status_code, answer.json()["code"]) == (409, "library")
    assert "insights are off" in answer.json()["detail"]
