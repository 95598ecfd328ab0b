"""Clients that upload, tag and search at once until the service is gone, and remember what it acknowledged."""

from __future__ import annotations

import base64
import itertools
import random
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from opsin.testing import jpeg_bytes, make_noise

_PATIENCE = 60.0


@dataclass
class Acknowledged:
    """What was answered with success: pictures by asset, and the tags of each in the order in which they were given."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    searches: int = 0
    asked: int = 0
    """Uploads that were begun, answered or not."""
    wrong: list[str] = field(default_factory=list)


class Clients:
    """So many threads, each with a connection and its own assets; what they ask for is chosen by ``seed``."""

    def __init__(self, acknowledged: Acknowledged, url: str, key: str, seed: str, *, count: int = 8) -> None:
        self._acknowledged = acknowledged
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._lock = threading.Lock()
        self._uploaded = threading.Event()
        self._first_number = itertools.count(acknowledged.asked)
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed} client {number}"),))
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for_upload(self) -> None:
        """Return when a picture was acknowledged to one of them."""
        assert self._uploaded.wait(_PATIENCE), self._acknowledged.wrong

    def join(self) -> None:
        """Return when the service was gone for each of them."""
        for thread in self._threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive()

    def _run(self, chosen: random.Random) -> None:
        mine: list[str] = []
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=_PATIENCE) as client:
            try:
                while True:
                    what = chosen.random()
                    if what < 0.5 or not mine:
                        self._upload(client, mine)
                    elif what < 0.8:
                        self._tag(client, chosen.choice(mine))
                    else:
                        self._search(client, chosen.choice(("red", "a blue square", "noise")))
            except httpx.TransportError:
                return  # it was killed
            except Exception as error:  # noqa: BLE001 - else the thread would end and nobody would know why
                self._acknowledged.wrong.append(repr(error))

    def _upload(self, client: httpx.Client, mine: list[str]) -> None:
        with self._lock:
            number = next(self._first_number)
            self._acknowledged.asked += 1
        data = jpeg_bytes(make_noise(number, 40))
        answer = client.post("/v1/assets", files={"file": (f"{number}.jpg", data, "image/jpeg")})
        if answer.status_code == 503:
            return
        if answer.status_code != 201:
            raise AssertionError(answer.text)
        asset = answer.json()["results"][0]["asset"]["id"]
        self._acknowledged.pictures[asset] = data
        mine.append(asset)
        self._uploaded.set()

    def _tag(self, client: httpx.Client, asset: str) -> None:
        tag = f"tag{len(self._acknowledged.tags[asset])}"
        answer = client.patch(f"/v1/assets/{asset}/tags", json={"add": [tag]})
        if answer.status_code != 200:
            raise AssertionError(answer.text)
        self._acknowledged.tags[asset].append(tag)

    def _search(self, client: httpx.Client, words: str) -> None:
        answer = client.get("/v1/search", params={"q": words, "everything": True})
        if answer.status_code != 200:
            raise AssertionError(answer.text)
        with self._lock:
            self._acknowledged.searches += 1


def problems_over_http(client: httpx.Client, acknowledged: Acknowledged, some: Mapping[str, bytes]) -> list[str]:
    """Return what is wrong: of everything acknowledged by listing it, and of ``some`` pictures by looking for each."""
    found: dict[str, set[str]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/assets", params={"limit": 1000, **cursor}).json()
        found |= {each["id"]: {tag["label"] for tag in each["tags"]} for each in page["assets"]}
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    wrong = [f"{asset} was acknowledged and is not listed" for asset in acknowledged.pictures if asset not in found]
    wrong += [
        f"{asset} lost the tags {set(tags) - found.get(asset, set())}"
        for asset, tags in acknowledged.tags.items()
        if not set(tags) <= found.get(asset, set())
    ]
    for asset, data in some.items():
        original = client.get(f"/v1/assets/{asset}/original")
        if original.status_code != 200 or original.content != data:
            wrong.append(f"{asset} has other bytes than were acknowledged: {original.status_code}")
        image = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        like = {"parts": [{"image": image}], "everything": True, "limit": 5}
        hits = client.post("/v1/search", json=like).json()["hits"]
        if not any(hit["asset"]["id"] == asset and hit["similarity"] > 0.999 for hit in hits):
            wrong.append(f"{asset} is not found by its own picture")
    for asset in found.keys() - acknowledged.pictures.keys():  # it was killed before it could answer
        if client.get(f"/v1/assets/{asset}/original").status_code != 200:
            wrong.append(f"{asset} was not acknowledged and is half there")
    return wrong
