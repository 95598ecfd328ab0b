"""Load on a real service with the starter: uploads with searches beside them, then three times what it can do.

    python -m benchmarks.load [--seconds 30]

What uploads it can do is measured first. Then requests are sent at set times whether or not earlier ones were answered,
and each is timed from when it was due. Targets: at 80 % of the capacity searches' p99 within 100 ms and no error; at 300 %
what is refused is 503 with Retry-After, what was accepted is listed afterwards, memory stays, and within 5 s all is as before.
The exit status is 1 where an upload that was acknowledged is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
from benchmarks.adding import tree
from benchmarks.inputs import photos

import opsin

PHOTOS = 200
AT_ONCE = 8
SEARCHES = 5.0
"""Searches a second beside the uploads."""
RECOVERY = 5.0
LOADING = 120
"""Seconds that the models may take to load, at most."""
START = "from opsin.cli import main; main()"
WORDS = ("a dog", "a red car", "coffee", "a bridge at night", "people on a beach", "guitar", "a plate of food", "snow")


class Load:
    """What is sent, and what was answered: statuses by kind of request, seconds of each, and the assets acknowledged."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers = itertools.count()
        self._photos = [path.read_bytes() for path in photos(PHOTOS)]
        self.accepted: set[str] = set()
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
        comment = b"%08d" % number
        photo = self._photos[number % PHOTOS]
        data = photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]
        try:
            answer = await self._client.post("/v1/assets", content=data, headers={"Content-Type": "image/jpeg"})
        except httpx.TransportError as error:
            self.uploads[type(error).__name__] += 1
            return False
        refused = answer.status_code == 503 and "Retry-After" in answer.headers
        self.uploads["503 with Retry-After" if refused else str(answer.status_code)] += 1
        if answer.status_code != 201:
            return False
        self.accepted.add(answer.json()["results"][0]["asset"]["id"])
        self.upload_seconds.append(time.perf_counter() - due)
        return True

    async def search(self, due: float) -> bool:
        """Search for words that were not asked before."""
        number = next(self._numbers)
        try:
            words = f"{WORDS[number % len(WORDS)]} {number}"
            answer = await self._client.get("/v1/search", params={"q": words, "everything": True})
        except httpx.TransportError as error:
            self.searches[type(error).__name__] += 1
            return False
        self.searches[str(answer.status_code)] += 1
        self.search_seconds.append(time.perf_counter() - due)
        return answer.status_code == 200

    async def lost(self) -> set[str]:
        """Return what was acknowledged and is not listed."""
        missing, cursor = set(self.accepted), None
        while True:
            page = await self._client.get("/v1/assets", params={"limit": 1000} | ({"cursor": cursor} if cursor else {}))
            missing -= {asset["id"] for asset in page.raise_for_status().json()["assets"]}
            cursor = page.json()["cursor"]
            if cursor is None:
                return missing


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


def quantile_ms(seconds: list[float], part: float) -> float:
    """Return a quantile in milliseconds; nan where nothing was answered."""
    return float(np.quantile(seconds, part)) * 1000 if seconds else float("nan")


def pss_mb(process: int) -> float:
    """Return the proportional set size of ``process`` and all below it, in MB (Linux)."""
    total = 0
    for pid in tree(process):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


async def recovery(load: Load) -> float:
    """Return seconds until an upload is accepted again."""
    begun = time.perf_counter()
    while not await load.upload(time.perf_counter()):
        await asyncio.sleep(0.1)
        if time.perf_counter() - begun > 60:
            return float("inf")
    return time.perf_counter() - begun


async def measure(url: str, key: str, process: int, seconds: float) -> bool:
    """Print all figures; return whether nothing acknowledged was lost."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:
        for _ in range(LOADING * 5):
            if (await client.get("/v1/health/ready")).status_code == 200:
                break
            await asyncio.sleep(0.2)
        load = Load(client)
        await capacity(load, seconds / 4)
        most = await capacity(load, seconds)
        print(f"capacity: {most:.1f} uploads/s from {AT_ONCE} clients")
        load.clear()
        await asyncio.gather(at_rate(load.upload, 0.8 * most, seconds), at_rate(load.search, SEARCHES, seconds))
        p99 = quantile_ms(load.search_seconds, 0.99)
        print(f"at 80 %: uploads {dict(load.uploads)}, searches {dict(load.searches)}; target: no error")
        print(
            f"at 80 %: upload p50 {quantile_ms(load.upload_seconds, 0.5):.0f} ms, p99 {quantile_ms(load.upload_seconds, 0.99):.0f} ms; "
            f"search p50 {quantile_ms(load.search_seconds, 0.5):.1f} ms, p99 {p99:.1f} ms, {100 / p99:.2f} x faster than the target of 100 ms"
        )
        load.clear()
        before = pss_mb(process)
        await asyncio.gather(at_rate(load.upload, 3 * most, seconds), at_rate(load.search, SEARCHES, seconds))
        after = pss_mb(process)
        print(
            f"at 300 %: uploads {dict(load.uploads)}, searches {dict(load.searches)}; target: nothing but 201 and 503"
        )
        print(
            f"at 300 %: PSS {before:.0f} MB before, {after:.0f} MB after, ratio {after / before:.2f}; target: 1 (flat)"
        )
        took = await recovery(load)
        await asyncio.sleep(max(0.0, RECOVERY - took))
        load.clear()
        await at_rate(load.search, SEARCHES, seconds)
        p99 = quantile_ms(load.search_seconds, 0.99)
        print(f"afterwards: an upload is accepted after {took:.2f} s, {RECOVERY / took:.1f} x faster than the target")
        print(f"{RECOVERY:.0f} s later: search p99 {p99:.1f} ms, {100 / p99:.2f} x faster than the target of 100 ms")
        lost = await load.lost()
        print(f"acknowledged: {len(load.accepted)}, lost: {len(lost)}")
        return not lost


def main() -> None:
    """Serve a new library, put load on it, and stop it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description="Load on a real service.")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of its parts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "library"
        opsin.init(root, encoder="starter").close()
        command = [sys.executable, "-c", START, "serve", "--json", "--port", "0", "--library", str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
            try:
                if service.stdout is None or not (line := service.stdout.readline()):
                    sys.exit("the service did not start")
                key = (root / "admin.key").read_text("utf-8").strip()
                kept = asyncio.run(measure(json.loads(line)["url"], key, service.pid, given.seconds))
            finally:
                service.terminate()
                service.wait(60)
    if not kept:
        sys.exit(1)


if __name__ == "__main__":
    main()
