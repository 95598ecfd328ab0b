"""Hostile pictures by HTTP: each is answered as it deserves, in bounded time and memory, and the service goes on."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import opsin
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.hostile import DECODING, WORKERS_AT_MOST, Memory, left_by_hostile_pictures, shared_set, small_set
    from tests.web.conftest import Serve, Served
else:
    from hostile import DECODING, WORKERS_AT_MOST, Memory, left_by_hostile_pictures, shared_set, small_set

SETTINGS = """\
[host]
extra_plugins = ["opsin.testing.plugin"]

[plugins.starter]
enabled = false

[plugins.open_clip]
enabled = false
"""
TOGETHER = 100
"""Pictures in one request."""
AT_ONCE = 3
GROWTH_AT_MOST = 512
"""MiB, of the service's own process, over what it holds once it is ready."""
SECONDS_AT_MOST = 200
"""All together: a file takes up to 10 s by the settings; some 10 s on two idle cores."""
REFUSALS = {413, 415, 422}
Files = Sequence[tuple[str, bytes]]


@pytest.fixture(scope="module")
def exposed(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Return a service that is ready, with time and memory for a picture such as a deployment has."""
    home = tmp_path_factory.mktemp("exposed")
    (home / "opsin.toml").write_text(SETTINGS + DECODING, "utf-8")
    opsin.init(home, encoder="fake", vocabularies=()).close()
    service = serve(home)
    service.wait_until_ready()
    return service


def answers(service: Served, path: str, files: Files) -> Iterator[str]:
    """Send files, many in a request and several requests at once; yield for each whether it was accepted or rejected."""

    def send(some: Files) -> list[str]:
        parts = [("file", (name, data, "image/jpeg")) for name, data in some]
        answer = service.client.post(path, files=parts)
        while answer.status_code == 503:  # there are more requests than places
            time.sleep(int(answer.headers["Retry-After"]))
            answer = service.client.post(path, files=parts)
        assert answer.status_code in {200, 201}, answer.text
        results = answer.json()["results"]
        assert len(results) == len(some), "a file has no answer"
        return [verdict(each.get("problem")) for each in results]

    groups = [files[start : start + TOGETHER] for start in range(0, len(files), TOGETHER)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from itertools.chain.from_iterable(pool.map(send, groups))


def verdict(problem: dict[str, object] | None) -> str:
    """Return accept or reject; another problem would be neither the picture's fault nor right."""
    if problem is None:
        return "accept"
    assert problem["status"] in REFUSALS, problem
    assert problem["detail"]
    return "reject"


def alone(answer: httpx.Response) -> str:
    if answer.is_success:
        return "accept"
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json()["status"] == answer.status_code
    return verdict(answer.json())


def is_well(service: Served) -> None:
    """Add a good picture, find it, and see that nothing was noted that nobody foresaw."""
    good = jpeg_bytes(make_picture("red", "square", 96 + int(time.monotonic()) % 32))
    added = service.client.post("/v1/assets", files={"file": ("good.jpg", good)})
    assert added.is_success, added.text
    asset = added.json()["results"][0]["asset"]["id"]
    found = service.client.get(f"/v1/assets/{asset}/similar", params={"limit": 1})
    assert found.status_code == 200
    assert "nobody foresaw" not in (service.home / "log").read_text("utf-8")
    assert left_by_hostile_pictures(service.home) == []


def test_hostile_pictures_made_here_are_answered_in_every_form_of_a_request(exposed: Served) -> None:
    made = small_set()
    files = [(name, data) for name, (data, _) in made.items()]
    expected = [what for _, what in made.values()]
    for path in ("/v1/analyse", "/v1/assets"):
        assert [*answers(exposed, path, files)] == expected
        for (name, data), what in zip(files, expected, strict=True):
            raw = exposed.client.post(path, content=data, headers={"Content-Type": "image/png"}, params={"name": name})
            uri = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
            assert alone(raw) == what, (name, raw.text)
            assert alone(exposed.client.post(path, json={"image": uri})) == what, name
    for data, what in made.values():
        like = {"parts": [{"image": f"data:;base64,{base64.b64encode(data).decode()}"}]}
        assert alone(exposed.client.post("/v1/search", json=like)) == what
    is_well(exposed)


def test_all_hostile_pictures_are_answered_within_time_and_memory(exposed: Served, shared_data: Path) -> None:
    paths, firm = shared_set(shared_data)
    assert len(paths) > 1000
    memory = Memory(str(exposed.process.process))
    memory.look()
    before, begun = memory.own, time.monotonic()
    with memory.watched():
        found = dict(zip(paths, answers(exposed, "/v1/assets", [(p.name, p.read_bytes()) for p in paths]), strict=True))
        assert {path.name: found[path] for path in firm if found[path] != firm[path]} == {}
        again = list(firm)[::5]
        told = [*answers(exposed, "/v1/analyse", [(path.name, path.read_bytes()) for path in again])]
    assert dict(zip(again, told, strict=True)) == {path: firm[path] for path in again}
    assert time.monotonic() - begun < SECONDS_AT_MOST
    assert memory.children <= WORKERS_AT_MOST
    assert memory.own - before <= GROWTH_AT_MOST
    is_well(exposed)
