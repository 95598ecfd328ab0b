"""Load on a real service with the starter: uploads with searches beside them, then three times what it can do.

    python -m benchmarks.load [--seconds 30]

What uploads it can do is measured first, and how fast searches are alone. Then requests are sent at set times whether or not
earlier ones were answered, and each is timed from when it was due. Targets: at 80 % of the capacity searches' p99 within
100 ms and no error; at 300 % what is refused is 503 with Retry-After, memory stays, and within 5 s all is as before. Each is
printed with whether it was met. What may never be: an upload that was acknowledged and is not listed, or whose bytes cannot
be read, and an answer 5xx but 503: then the exit status is 1, and the last lines that the service logged are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
from benchmarks.processes import pss_mb
from benchmarks.serving import Serving, serving
from benchmarks.uploads import Photos

import opsin

AT_ONCE = 8
SEARCHES = 5.0
"""Searches a second beside the uploads."""
SEARCH_MS = 100.0
RECOVERY = 5.0
FLAT = 1.05
"""Times the memory after ``FILLED`` that there may be at most while too much comes."""
EVERY = 0.5
"""Seconds between two looks at the memory."""
FILLED = 2.0
"""Seconds in which all places are taken for the first time, with the largest batches so far: what that takes is kept."""
REFUSED = "503 with Retry-After"
WORDS = ("a dog", "a red car", "coffee", "a bridge at night", "people on a beach", "guitar", "a plate of food", "snow")


class Load:
    """What is sent, and what was answered: statuses by kind of request, seconds of each, and the assets acknowledged.

    ``forbidden`` counts the answers that may never be.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers = itertools.count()
        self._photos = Photos()
        self.accepted: dict[str, int] = {}
        self.forbidden: Counter[str] = Counter()
        self.clear()

    def clear(self) -> None:
        """Begin a new measurement."""
        self.uploads: Counter[str] = Counter()
        self.searches: Counter[str] = Counter()
        self.upload_seconds: list[float] = []
        self.search_seconds: list[float] = []

    async def upload(self, due: float) -> bool:
        """Upload a photo that the service never saw; return whether it was accepted."""
        number = next(self._numbers)
        headers = {"Content-Type": "image/jpeg"}
        answer = await self._send(
            self.uploads, "POST", "/v1/assets", content=self._photos.marked(number), headers=headers
        )
        if answer is None or answer.status_code != 201:
            return False
        self.accepted[answer.json()["results"][0]["asset"]["id"]] = number
        self.upload_seconds.append(time.perf_counter() - due)
        return True

    async def search(self, due: float) -> bool:
        """Search for words that were not asked before."""
        number = next(self._numbers)
        params = {"q": f"{WORDS[number % len(WORDS)]} {number}", "everything": True}
        answer = await self._send(self.searches, "GET", "/v1/search", params=params)
        if answer is None:
            return False
        self.search_seconds.append(time.perf_counter() - due)
        return answer.status_code == 200

    async def _send(self, counts: Counter[str], method: str, path: str, **more: object) -> httpx.Response | None:
        try:
            answer = await self._client.request(method, path, **more)  # type: ignore[arg-type] # whatever httpx takes
        except httpx.TransportError as error:
            counts[type(error).__name__] += 1
            return None
        refused = answer.status_code == 503 and "Retry-After" in answer.headers
        counts[REFUSED if refused else str(answer.status_code)] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self.forbidden[f"{method} {path}: {answer.status_code}"] += 1
        return answer

    async def lost(self) -> set[str]:
        """Return what was acknowledged and is not listed."""
        missing, cursor = set(self.accepted), None
        while True:
            page = await self._client.get("/v1/assets", params={"limit": 1000} | ({"cursor": cursor} if cursor else {}))
            missing -= {asset["id"] for asset in page.raise_for_status().json()["assets"]}
            cursor = page.json()["cursor"]
            if cursor is None:
                return missing

    async def unreadable(self) -> set[str]:
        """Return what was acknowledged and has other bytes than were sent, or none."""
        found = set()
        for asset, number in self.accepted.items():
            original = await self._client.get(f"/v1/assets/{asset}/original")
            if original.status_code != 200 or original.content != self._photos.marked(number):
                found.add(asset)
        return found


async def at_rate(send: Callable[[float], Awaitable[bool]], rate: float, seconds: float) -> None:
    """Send ``rate`` requests a second at set times, and return when all are answered."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(_sent(send, due))


async def _sent(send: Callable[[float], Awaitable[bool]], due: float) -> None:
    await send(due)


async def capacity(load: Load, seconds: float) -> float:
    """Return uploads a second of clients that each send the next photo when the last one is answered."""
    until = time.perf_counter() + seconds

    async def one() -> int:
        done = 0
        while time.perf_counter() < until:
            done += await load.upload(time.perf_counter())
        return done

    begun = time.perf_counter()
    counts = await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return sum(counts) / (time.perf_counter() - begun)


async def memory(process: int, work: Awaitable[object]) -> list[float]:
    """Return what ``process`` and all below it take, in MB, from time to time while ``work`` is done."""
    done = asyncio.ensure_future(work)
    taken = []
    while not done.done():
        taken.append(await asyncio.to_thread(pss_mb, process))
        await asyncio.wait([done], timeout=EVERY)
    await done
    return taken


def quantile_ms(seconds: list[float], part: float) -> float:
    """Return a quantile in milliseconds; nan where nothing was answered."""
    return float(np.quantile(seconds, part)) * 1000 if seconds else float("nan")


async def recovery(load: Load) -> float:
    """Return seconds until an upload is accepted again."""
    begun = time.perf_counter()
    while not await load.upload(time.perf_counter()):
        await asyncio.sleep(0.1)
        if time.perf_counter() - begun > 60:
            return float("inf")
    return time.perf_counter() - begun


def judge(met: bool, target: str, told: str) -> None:
    """Print a target, whether it was met, and the figures."""
    print(f"{'met   ' if met else 'missed'} {target}: {told}", flush=True)


async def measure(service: Serving, seconds: float) -> bool:
    """Print all figures; return whether nothing was that may never be."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=service.url, headers=service.headers, timeout=60, limits=limits) as client:
        load = Load(client)
        await capacity(load, seconds / 4)
        most = await capacity(load, seconds)
        print(f"capacity: {most:.1f} uploads/s from {AT_ONCE} clients")
        await alone(load, seconds)
        await sustained(load, most, seconds)
        await too_much(load, most, seconds, service.process.pid)
        await afterwards(load, seconds)
        lost, unreadable = await load.lost(), await load.unreadable()
        judge(not lost, "nothing acknowledged is lost", f"{len(load.accepted)} acknowledged, {len(lost)} not listed")
        judge(not unreadable, "all that was acknowledged can be read", f"{len(unreadable)} not, or with other bytes")
        judge(not load.forbidden, "no 5xx but 503", str(dict(load.forbidden) or "none"))
        return not lost and not unreadable and not load.forbidden


async def alone(load: Load, seconds: float) -> None:
    """Search with nothing beside it: each word is met for the first time here, and what it means is encoded once."""
    load.clear()
    await at_rate(load.search, SEARCHES, seconds)
    half, most = quantile_ms(load.search_seconds, 0.5), quantile_ms(load.search_seconds, 0.99)
    print(f"searches alone: p50 {half:.1f} ms, p99 {most:.1f} ms")


async def sustained(load: Load, most: float, seconds: float) -> None:
    """Send 80 % of what the service can do, with searches beside it."""
    load.clear()
    await asyncio.gather(at_rate(load.upload, 0.8 * most, seconds), at_rate(load.search, SEARCHES, seconds))
    errors = (load.uploads.total() - load.uploads["201"]) + (load.searches.total() - load.searches["200"])
    p99 = quantile_ms(load.search_seconds, 0.99)
    judge(not errors, "at 80 %: no error", f"uploads {dict(load.uploads)}, searches {dict(load.searches)}")
    judge(
        p99 <= SEARCH_MS,
        f"at 80 %: search p99 within {SEARCH_MS:.0f} ms",
        f"{p99:.1f} ms, {SEARCH_MS / p99:.2f} x faster; search p50 {quantile_ms(load.search_seconds, 0.5):.1f} ms, "
        f"upload p50 {quantile_ms(load.upload_seconds, 0.5):.0f} ms, p99 {quantile_ms(load.upload_seconds, 0.99):.0f} ms",
    )


async def too_much(load: Load, most: float, seconds: float, process: int) -> None:
    """Send three times what the service can do."""
    load.clear()
    before = pss_mb(process)
    uploads, searches = at_rate(load.upload, 3 * most, seconds), at_rate(load.search, SEARCHES, seconds)
    taken = await memory(process, asyncio.gather(uploads, searches))
    others = load.uploads.keys() - {"201", REFUSED}
    judge(
        not others,
        "at 300 %: nothing but 201, and 503 with Retry-After",
        f"uploads {dict(load.uploads)}, searches {dict(load.searches)}",
    )
    filled = taken[int(FILLED / EVERY) :] or taken
    judge(
        max(filled) <= FLAT * filled[0],
        f"at 300 %: memory at most {FLAT} x what it is after {FILLED:.0f} s of it",
        f"PSS {before:.0f} MB before, {filled[0]:.0f} then, highest {max(filled):.0f} MB, ratio {max(filled) / filled[0]:.2f}",
    )


async def afterwards(load: Load, seconds: float) -> None:
    """See how soon all is as before."""
    took = await recovery(load)
    judge(
        took <= RECOVERY,
        f"an upload is accepted within {RECOVERY:.0f} s",
        f"{took:.2f} s, {RECOVERY / took:.1f} x faster",
    )
    await asyncio.sleep(max(0.0, RECOVERY - took))
    load.clear()
    await at_rate(load.search, SEARCHES, seconds)
    p99 = quantile_ms(load.search_seconds, 0.99)
    target = f"{RECOVERY:.0f} s later: search p99 within {SEARCH_MS:.0f} ms"
    judge(p99 <= SEARCH_MS, target, f"{p99:.1f} ms, {SEARCH_MS / p99:.2f} x faster")


def main() -> None:
    """Serve a new library, put load on it, and stop it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description="Load on a real service.")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of its parts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "library"
        opsin.init(root, encoder="starter").close()
        with serving(root) as service:
            if not asyncio.run(measure(service, given.seconds)):
                sys.exit("something acknowledged is lost or cannot be read, or an answer was 5xx but 503")


if __name__ == "__main__":
    main()
