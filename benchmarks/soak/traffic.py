"""What clients ask of the service in the soak, at set rates, and what it acknowledged to them."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from benchmarks.uploads import Photos

VOCABULARY = "soak"
RATES = {
    "upload one": 0.7,
    "upload four": 0.08,
    "upload again": 0.2,
    "upload later": 0.15,
    "search words": 0.8,
    "search example": 0.1,
    "similar": 0.2,
    "list": 0.3,
    "tagged": 0.1,
    "preview": 0.2,
    "tag": 0.4,
    "delete": 0.15,
    "restore": 0.08,
    "vocabulary": 0.05,
    "reanalyse": 0.03,
}
"""Requests a second of each kind, at the rate 1."""
_AT_ONCE = {"upload four": 12, "upload later": 8, "search example": 16, "search words": 16, "tag": 16, "vocabulary": 1}
_CLIENTS = 6
_FINE = frozenset({200, 201, 202, 503})
_WORDS = ("a dog", "a red car", "coffee", "a bridge at night", "people on a beach", "guitar", "a plate of food", "snow")
_TAGS = 60
_LONGEST = 120.0
"""Seconds that a client waits for an answer."""


@dataclass
class Kept:
    """An asset that was acknowledged: the number of its photo, the tags that were given, and when it was deleted.

    ``busy`` while a client changes it; ``told``: how often each kind of event happened to it.
    """

    number: int
    tags: set[str] = field(default_factory=set)
    deleted: float | None = None
    busy: bool = False
    told: Counter[str] = field(default_factory=Counter)


class Traffic:
    """Clients of one service. ``undo``: seconds in which a deletion can be undone."""

    def __init__(self, url: str, headers: Mapping[str, str], seed: int, *, undo: float) -> None:
        self._clients = [httpx.AsyncClient(base_url=url, headers=headers, timeout=_LONGEST) for _ in range(_CLIENTS)]
        self._undo = undo
        self._photos = Photos()
        self._numbers = itertools.count()
        self.chance = random.Random(seed)
        self.assets: dict[str, Kept] = {}
        self.jobs: dict[str, list[int]] = {}
        """Every job that was acknowledged, with the numbers of the photos that it adds."""
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.wrong: list[str] = []
        """What nobody may answer: refusals other than 503, connections that broke, pictures not taken."""
        self.unknown = 0
        """Pictures of uploads to which no answer came."""
        self._asks: dict[str, Callable[[httpx.AsyncClient, float], Awaitable[None]]] = {
            "upload one": lambda client, due: self._upload(client, due, "upload one", [next(self._numbers)]),
            "upload four": lambda client, due: self._upload(
                client, due, "upload four", [next(self._numbers) for _ in range(4)]
            ),
            "upload again": self._again,
            "upload later": self._later,
            "search words": self._words,
            "search example": self._example,
            "similar": lambda client, due: self._look(client, due, "similar", "similar"),
            "list": self._list,
            "tagged": self._tagged,
            "preview": lambda client, due: self._look(client, due, "preview", "preview"),
            "tag": self._tag,
            "delete": self._delete,
            "restore": self._restore,
            "vocabulary": self._vocabulary,
            "reanalyse": self._reanalyse,
        }

    @property
    def client(self) -> httpx.AsyncClient:
        """One of the clients."""
        return self._clients[0]

    def photo(self, number: int) -> bytes:
        """Return the bytes of a photo that was sent."""
        return self._photos.marked(number)

    @property
    def live(self) -> dict[str, Kept]:
        """The assets that are there."""
        return {asset: kept for asset, kept in self.assets.items() if kept.deleted is None}

    async def warm_up(self) -> None:
        """Have the service start all its threads: ask as much at once of each kind as it does at once."""
        for kind in ("upload four", "upload later", "search example", "search words", "tag", "vocabulary"):
            await asyncio.gather(*(self._ask(kind, time.perf_counter()) for _ in range(_AT_ONCE[kind])))
        self.seconds.clear()

    @property
    def _tags(self) -> list[str]:
        """The tags that were given."""
        return sorted({tag for kept in self.live.values() for tag in kept.tags})

    async def send(self, seconds: float, rate: float) -> None:
        """Send requests at their times for so long, whatever the answers, and return when all are answered."""
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for due, kind in self._plan(seconds, rate):
                await asyncio.sleep(max(0.0, begun + due - time.perf_counter()))
                group.create_task(self._ask(kind, begun + due))

    async def close(self) -> None:
        """Give the connections back."""
        for client in self._clients:
            await client.aclose()

    def _plan(self, seconds: float, rate: float) -> list[tuple[float, str]]:
        """Return when to send what; gaps are random, so that kinds meet in all ways."""
        plan = []
        for kind, often in RATES.items():
            due = self.chance.expovariate(often * rate)
            while due < seconds:
                plan.append((due, kind))
                due += self.chance.expovariate(often * rate)
        return sorted(plan)

    async def _ask(self, kind: str, due: float) -> None:
        try:
            await self._asks[kind](self.chance.choice(self._clients), due)
        except httpx.TransportError as error:
            self.statuses[kind][type(error).__name__] += 1
            self.wrong.append(f"{kind}: {error!r}")
            self.unknown += 4 if kind == "upload four" else kind in {"upload one", "upload again"}

    async def _request(
        self, client: httpx.AsyncClient, due: float, kind: str, method: str, path: str, **more: Any
    ) -> Any:
        """Return what is answered; None where the service is too busy, or refuses, which is noted."""
        answer = await client.request(method, path, **more)
        self.statuses[kind][str(answer.status_code)] += 1
        self.seconds[kind].append(time.perf_counter() - due)
        if answer.status_code not in _FINE:
            self.wrong.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code in {503, *range(400, 600)}:
            return None
        return answer.json() if "json" in answer.headers["Content-Type"] else answer.content

    def _pick(self) -> tuple[str, Kept] | None:
        """Return one of the assets that are there and that no client changes just now."""
        free = [each for each in self.live.items() if not each[1].busy]
        return self.chance.choice(free) if free else None

    async def _upload(self, client: httpx.AsyncClient, due: float, kind: str, numbers: list[int]) -> None:
        suffix = "-again" if kind == "upload again" else ""
        files = [("file", (f"{each}{suffix}{next(self._numbers)}.jpg", self.photo(each))) for each in numbers]
        data = {"owner": f"owner{numbers[0] % 7}"}
        answer = await self._request(client, due, kind, "POST", "/v1/assets", files=files, data=data)
        for number, result in zip(numbers, answer["results"] if answer else (), strict=bool(answer)):
            if result["status"] in {"added", "known"}:
                self._keep(result["asset"]["id"], number)
            elif result["problem"]["status"] == 503:
                self.statuses[kind]["one of several: 503"] += 1
            else:
                self.wrong.append(f"{kind}: {result}")

    def _keep(self, asset: str, number: int) -> None:
        self.assets[asset] = Kept(number)
        self.assets[asset].told["asset.added"] += 1

    async def _again(self, client: httpx.AsyncClient, due: float) -> None:
        if self.assets:
            number = self.chance.choice(list(self.assets.values())).number
            await self._upload(client, due, "upload again", [number])

    async def _later(self, client: httpx.AsyncClient, due: float) -> None:
        numbers = [next(self._numbers) for _ in range(2)]
        files = [("file", (f"{each}.jpg", self.photo(each))) for each in numbers]
        job = await self._request(
            client, due, "upload later", "POST", "/v1/assets", files=files, data={"wait": "false"}
        )
        if job:
            self.jobs[job["id"]] = numbers

    async def _words(self, client: httpx.AsyncClient, due: float) -> None:
        words = f"{self.chance.choice(_WORDS)} {next(self._numbers)}"
        params = {"q": words, "everything": True, "limit": 20}
        await self._request(client, due, "search words", "GET", "/v1/search", params=params)

    async def _example(self, client: httpx.AsyncClient, due: float) -> None:
        files = [("file", ("example.jpg", self.photo(next(self._numbers))))]
        await self._request(client, due, "search example", "POST", "/v1/search", files=files)

    async def _look(self, client: httpx.AsyncClient, due: float, kind: str, what: str) -> None:
        if picked := self._pick():
            picked[1].busy = True
            await self._request(client, due, kind, "GET", f"/v1/assets/{picked[0]}/{what}")
            picked[1].busy = False

    async def _list(self, client: httpx.AsyncClient, due: float) -> None:
        where = f"owner=owner{self.chance.randrange(7)}"
        await self._request(client, due, "list", "GET", "/v1/assets", params={"where": where, "limit": 50})

    async def _tagged(self, client: httpx.AsyncClient, due: float) -> None:
        if tags := self._tags:
            await self._request(client, due, "tagged", "GET", f"/v1/tags/{self.chance.choice(tags)}/assets")

    async def _tag(self, client: httpx.AsyncClient, due: float) -> None:
        if picked := self._pick():
            asset, kept = picked
            tag = f"soaked{self.chance.randrange(_TAGS)}"
            kept.busy = True
            changes = {"caption": f"picture {next(self._numbers)}", "tags": {"add": [tag]}}
            if await self._request(client, due, "tag", "PATCH", f"/v1/assets/{asset}", json=changes):
                kept.told["asset.updated"] += 1
                kept.told["asset.tagged"] += tag not in kept.tags
                kept.tags.add(tag)
            kept.busy = False

    async def _delete(self, client: httpx.AsyncClient, due: float) -> None:
        if picked := self._pick():
            asset, kept = picked
            kept.busy = True
            if await self._request(client, due, "delete", "DELETE", f"/v1/assets/{asset}"):
                kept.deleted = time.monotonic()
                kept.told["asset.deleted"] += 1
            kept.busy = False

    async def _restore(self, client: httpx.AsyncClient, due: float) -> None:
        """Restore what was deleted lately, long before it cannot be restored any more."""
        since = time.monotonic() - self._undo / 2
        gone = [each for each in self.assets.items() if (each[1].deleted or 0.0) > since and not each[1].busy]
        if gone:
            asset, kept = self.chance.choice(gone)
            kept.busy = True
            if await self._request(client, due, "restore", "POST", f"/v1/assets/{asset}/restore"):
                kept.deleted = None
                kept.told["asset.restored"] += 1
            kept.busy = False

    async def _vocabulary(self, client: httpx.AsyncClient, due: float) -> None:
        label = f"/v1/vocabularies/{VOCABULARY}/labels/label_{self.chance.randrange(5)}"
        prompts = [f"a photo of {self.chance.choice(_WORDS)}, number {next(self._numbers)}"]
        await self._request(client, due, "vocabulary", "PATCH", label, json={"prompts": prompts})

    async def _reanalyse(self, client: httpx.AsyncClient, due: float) -> None:
        if not (tags := self._tags):
            return
        asked = {"where": [f"tag={self.chance.choice(tags)}"]}
        job = await self._request(client, due, "reanalyse", "POST", "/v1/reanalyse", json=asked)
        if job:
            self.jobs[job["id"]] = []

    async def settle_jobs(self) -> list[str]:
        """Wait for all jobs, keep what they added, and return what became of none as it should."""
        wrong = []
        for job, numbers in self.jobs.items():
            await self.client.get(f"/v1/jobs/{job}/events")  # it ends when the job is over
            found = (await self.client.get(f"/v1/jobs/{job}")).json()
            results = (found.get("result") or {}).get("results", [])
            if found["state"] != "done" or any(each["status"] != "added" for each in results):
                wrong.append(f"job {job}: {found}")
            elif numbers:
                for number, result in zip(numbers, results, strict=True):
                    self._keep(result["asset_id"], number)
        return wrong
