"""One asset over HTTP: changing it on conditions, deleting it and bringing it back, lists in an order, previews."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Served

RED = jpeg_bytes(make_picture("red", "square", 96))
GREEN = jpeg_bytes(make_picture("green", "circle", 96))


def add(served: Served, data: bytes = RED, **fields: Any) -> dict[str, Any]:
    name = str(fields.pop("name", "a.jpg"))
    answer = served.client.post("/v1/assets", files={"file": (name, data)}, data=fields)
    assert answer.status_code in {200, 201}, answer.text
    result = answer.json()["results"][0]
    return {**result["asset"], "status": result["status"]}


def test_an_asset_is_changed_only_where_it_is_what_the_caller_saw(served: Served) -> None:
    at = f"/v1/assets/{add(served, name='changed.jpg', owner='eve', caption='old')['id']}"
    shown = served.client.get(at)
    tag = shown.headers["etag"]
    assert served.client.get(at, headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304
    changes = {"caption": None, "context": {"shelf": 3}, "tags": {"add": ["summer"]}}
    changed = served.client.patch(at, json=changes, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["caption"], changed.json()["owner"]) == (None, "eve")
    assert "summer" in [each["label"] for each in changed.json()["tags"]]
    assert changed.headers["etag"] == served.client.get(at).headers["etag"] != tag
    outdated = served.client.patch(at, json={"owner": "ann"}, headers={"If-Match": tag})
    assert (outdated.status_code, outdated.json()["code"]) == (412, "outdated")
    after = served.client.get(at, headers={"If-None-Match": tag})
    assert (after.status_code, after.json()["owner"]) == (200, "eve")
    again = served.client.patch(at, json={"owner": "ann"}, headers={"If-Match": after.headers["etag"]})
    assert again.json()["owner"] == "ann"
    for wrong in ({"color": "red"}, {"owner": 3}, {"public_id": "/"}, {"tags": {"add": ["x"], "remove": ["x"]}}):
        assert served.client.patch(at, json=wrong).status_code == 400, wrong


def test_tags_deletion_and_restoring_are_for_what_the_caller_saw_too(served: Served) -> None:
    at = f"/v1/assets/{add(served, name='if-match.jpg', owner='ida')['id']}"
    wrong = {"If-Match": '"wrong"'}
    for method, path in (("DELETE", ""), ("PATCH", "/tags"), ("POST", "/restore")):
        body: dict[str, Any] = {"json": {"add": ["never"]}} if method == "PATCH" else {}
        refused = served.client.request(method, at + path, headers=wrong, **body)
        assert (refused.status_code, refused.json()["code"]) == (412, "outdated"), path
    shown = served.client.get(at)
    assert (shown.status_code, "never" in shown.text) == (200, False)
    tagged = served.client.patch(f"{at}/tags", json={"add": ["new"]}, headers={"If-Match": shown.headers["etag"]})
    assert tagged.headers["etag"] == served.client.get(at).headers["etag"] != shown.headers["etag"]
    seen = {"If-Match": tagged.headers["etag"]}
    assert served.client.delete(at, headers={"If-Match": shown.headers["etag"]}).status_code == 412
    assert served.client.delete(at, headers=seen).status_code == 200
    assert served.client.post(f"{at}/restore", headers=wrong).status_code == 412
    assert served.client.get(at).status_code == 404
    assert served.client.post(f"{at}/restore", headers={"If-Match": "*"}).status_code == 200
    there = {"If-Match": served.client.get(at).headers["etag"]}
    assert served.client.post(f"{at}/restore", headers=there).headers["etag"] == there["If-Match"]


def test_another_threshold_gives_other_tags_at_once_and_none_those_of_the_library(served: Served) -> None:
    at = f"/v1/assets/{add(served, name='threshold.jpg', owner='thea')['id']}"

    def tags(auto_tag: float | None) -> set[str]:
        changed = served.client.patch(at, json={"auto_tag": auto_tag}).json()
        assert served.client.get(at).json()["tags"] == changed["tags"]
        return {each["label"] for each in changed["tags"]}

    usual = {each["label"] for each in served.client.get(at).json()["tags"]}
    assert tags(0.0) > usual > tags(1.0)
    assert served.client.get("/v1/assets", params={"where": ["owner=thea", "tag=red"]}).json()["total"] == 0
    assert tags(None) == usual
    for wrong in (-0.1, 1.1, "x"):
        assert served.client.patch(at, json={"auto_tag": wrong}).status_code == 400


def test_a_public_id_leads_to_the_asset_and_is_overwritten_unless_that_is_refused(served: Served) -> None:
    first = add(served, public_id="shop/hats/1")
    by_name = "/v1/assets/by-public-id/shop/hats/1"
    assert served.client.get(by_name).json()["id"] == first["id"]
    second = add(served, GREEN, public_id="shop/hats/1")
    assert (second["id"], second["version"], second["status"]) == (first["id"], 2, "changed")
    refused = served.client.post(
        "/v1/assets", files={"file": ("a.jpg", RED)}, data={"public_id": "shop/hats/1", "overwrite": "false"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "taken")
    other = add(served, name="other.jpg")
    taken = served.client.patch(f"/v1/assets/{other['id']}", json={"public_id": "shop/hats/1"})
    assert (taken.status_code, taken.json()["code"]) == (409, "taken")
    assert served.client.get("/v1/assets", params={"where": "public_id=shop/*"}).json()["total"] == 1
    assert served.client.get("/v1/assets/by-public-id/nobody").status_code == 404


def test_what_is_deleted_is_gone_until_it_is_restored(served: Served) -> None:
    asset = add(served, name="gone.jpg", owner="gil")
    at = f"/v1/assets/{asset['id']}"
    with served.client_with(None) as stranger:
        assert stranger.delete(at).status_code == 401
    deleted = served.client.delete(at)
    assert deleted.status_code == 200, deleted.text
    assert deleted.json()["restorable_until"]
    for path in ("", "/original", "/preview", "/similar", "/explain?label=red", "/palette", "/reports", "/duplicates"):
        assert served.client.get(at + path).status_code == 404, path
    assert served.client.delete(at).status_code == 404
    assert served.client.patch(at, json={"owner": "x"}).status_code == 404
    assert served.client.get("/v1/assets", params={"where": "owner=gil"}).json()["total"] == 0
    restored = served.client.post(f"{at}/restore")
    assert restored.json()["id"] == asset["id"]
    assert served.client.get("/v1/assets", params={"where": "owner=gil"}).json()["total"] == 1
    assert served.client.delete(at, params={"now": True}).json()["restorable_until"] is None
    assert served.client.post(f"{at}/restore").status_code == 404


@pytest.mark.parametrize("sort", ["added", "updated", "name", "taken"])
def test_a_list_goes_both_ways_in_every_order_whatever_the_size_of_its_pages(served: Served, sort: str) -> None:
    if served.client.get("/v1/assets", params={"where": "owner=sorter"}).json()["total"] == 0:
        for name in ("b.jpg", "c.jpg", "a.jpg", "A.jpg", "e.jpg"):
            add(served, name=name, owner="sorter")
    asked: dict[str, Any] = {"where": "owner=sorter", "sort": sort}
    whole = served.client.get("/v1/assets", params=asked).json()["assets"]
    key = {"added": "added_at", "updated": "updated_at", "name": "name", "taken": "taken_at"}[sort]
    assert [each[key] or "" for each in whole] == sorted(each[key] or "" for each in whole)
    for order in ("asc", "desc"):
        found, cursor = [], None
        while True:
            more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
            page = served.client.get("/v1/assets", params={**asked, **more, "order": order, "limit": 2}).json()
            found += [each["id"] for each in page["assets"]]
            if (cursor := page["cursor"]) is None:
                break
            assert served.client.get("/v1/assets", params={"cursor": cursor, "sort": "name"}).status_code == 400
        ids = [each["id"] for each in whole]
        assert found == (ids if order == "asc" else ids[::-1])


def test_a_preview_comes_as_what_is_asked_for_and_once(served: Served) -> None:
    at = f"/v1/assets/{add(served)['id']}/preview"
    for form in ("webp", "jpeg", "avif"):
        answer = served.client.get(at, params={"width": 32, "format": form})
        assert answer.headers["content-type"] == f"image/{form}"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert (image.format, image.size) == (form.upper(), (32, 32))
        assert "max-age" in answer.headers["cache-control"]
        again = served.client.get(
            at, params={"width": 32, "format": form}, headers={"If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
    assert served.client.get(at, params={"format": "svg"}).status_code == 400


def test_colours_reports_and_duplicates_of_one_asset(served: Served) -> None:
    asset = add(served, name="one.jpg")
    twin = add(served, name="twin.jpg")
    at = f"/v1/assets/{asset['id']}"
    colours = served.client.get(f"{at}/palette").json()["colours"]
    assert "red" in {each["label"] for each in colours}
    assert all(each["hex"].startswith("#") and 0 < each["share"] <= 1 for each in colours)
    reports = served.client.get(f"{at}/reports").json()["reports"]
    assert {"colors", "fake"} <= {each["categorizer"] for each in reports}
    alike = served.client.get(f"{at}/duplicates").json()["duplicates"]
    assert twin["id"] in {each["asset"]["id"] for each in alike}
    assert asset["id"] not in {each["asset"]["id"] for each in alike}
    groups = served.client.get("/v1/duplicates").json()["groups"]
    assert any({asset["id"], twin["id"]} <= {each["id"] for each in group["assets"]} for group in groups)


def test_what_is_made_says_where_it_is(served: Served) -> None:
    for address, sent in (
        ("/v1/assets", {"files": {"file": ("placed.jpg", GREEN)}, "data": {"owner": "placed"}}),
        ("/v1/searches", {"json": {"parts": [{"text": "green"}]}}),
        ("/v1/webhooks", {"json": {"url": "https://a.example/"}}),
    ):
        made = served.client.post(address, **sent)
        assert made.status_code == 201, made.text
        assert served.client.get(made.headers["location"]).status_code == 200
        assert served.client.delete(made.headers["location"]).is_success
    several = [("file", ("a.jpg", RED)), ("file", ("b.jpg", GREEN))]
    answer = served.client.post("/v1/assets", files=several, data={"owner": "of several"})
    assert (answer.status_code, "location" in answer.headers) == (201, False)
