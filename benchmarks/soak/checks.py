"""What has to be true after the soak: healed, nothing lost, everybody told, nothing leaked."""

from __future__ import annotations

import asyncio
import base64
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from benchmarks.soak.receiver import Receiver
from benchmarks.soak.samples import EARLY, GROWTH, LATE, NAMES, Sample, median
from benchmarks.soak.traffic import Kept, Traffic

_AT_ONCE = 4
_EXAMPLES = 100
"""So many pictures are looked for by their own picture."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was checked."""

    good: bool
    said: str


async def healed(traffic: Traffic, patience: float) -> Check:
    """Wait until all plugins are ready and no report is missing or failed, for so many seconds at most."""
    begun = time.monotonic()
    left, states = set(traffic.live), {"": ""}
    expected: set[str] = set()
    while (left or states) and time.monotonic() - begun < patience:
        plugins = (await traffic.client.get("/v1/plugins")).json()["plugins"]
        states = {each["name"]: each["state"] for each in plugins if each["state"] != "ready"}
        found = {each["name"] for plugin in plugins for each in plugin["objects"] if each["kind"] == "categorizer"}
        left, expected = (left if found == expected else set(traffic.live)), found
        left = {asset for asset in left if not await _is_whole(traffic, asset, found)}
        if left or states:
            await asyncio.sleep(1)
    told = f"healed {time.monotonic() - begun:.1f} s after the end: {len(traffic.live)} assets, "
    told += f"{len(left)} with reports of {len(expected)} categorizers missing or failed, plugins not ready: {states or 'none'}"
    return Check(not left and not states, told)


async def _is_whole(traffic: Traffic, asset: str, expected: set[str]) -> bool:
    reports = (await traffic.client.get(f"/v1/assets/{asset}/reports")).json().get("reports", [])
    return {each["categorizer"] for each in reports if each["status"] != "failed"} >= expected


async def nothing_lost(traffic: Traffic) -> Iterator[Check]:
    """Look for everything that was acknowledged: in the list, by its id, by its bytes, and some by their pictures."""
    listed: dict[str, set[str]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = (await traffic.client.get("/v1/assets", params={"limit": 1000, **cursor})).json()
        listed |= {each["id"]: {tag["label"] for tag in each["tags"]} for each in page["assets"]}
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    live = traffic.live
    unlisted = [asset for asset in live if asset not in listed]
    untagged = [asset for asset, kept in live.items() if not kept.tags <= listed.get(asset, set())]
    deleted = [asset for asset in listed if asset in traffic.assets and asset not in live]
    strange = [asset for asset in listed if asset not in traffic.assets]
    wrong = [each for found in await _each(live, lambda *pair: _by_id(traffic, *pair)) for each in found]
    some = dict(traffic.chance.sample(sorted(live.items(), key=lambda each: each[0]), min(_EXAMPLES, len(live))))
    unfound = [each for found in await _each(some, lambda *pair: _by_picture(traffic, *pair)) for each in found]
    return iter(
        [
            Check(
                not unlisted and not untagged,
                f"acknowledged and there: {len(live)} assets; not listed {unlisted[:3] or 0}, without tags {untagged[:3] or 0}",
            ),
            Check(
                not deleted and len(strange) <= traffic.unknown,
                f"listed, but deleted: {len(deleted)} {deleted[:3]}; never acknowledged: {len(strange)} {strange[:3]}, "
                f"where answers to uploads of {traffic.unknown} pictures were lost",
            ),
            Check(not wrong, f"not found by id, or with other bytes: {len(wrong)} of {len(live)} {wrong[:3]}"),
            Check(not unfound, f"not found by their own picture: {len(unfound)} of {len(some)} {unfound[:3]}"),
        ]
    )


async def _each(assets: Mapping[str, Kept], look: Any) -> list[list[str]]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(asset: str, kept: Kept) -> list[str]:
        async with places:
            found: list[str] = await look(asset, kept)
            return found

    return await asyncio.gather(*(one(asset, kept) for asset, kept in assets.items()))


async def _by_id(traffic: Traffic, asset: str, kept: Kept) -> list[str]:
    shown = await traffic.client.get(f"/v1/assets/{asset}")
    original = await traffic.client.get(f"/v1/assets/{asset}/original")
    if shown.status_code == 200 and original.content == traffic.photo(kept.number):
        return []
    return [f"{asset}: {shown.status_code}, original {original.status_code}"]


async def _by_picture(traffic: Traffic, asset: str, kept: Kept) -> list[str]:
    image = f"data:image/jpeg;base64,{base64.b64encode(traffic.photo(kept.number)).decode()}"
    asked = {"parts": [{"image": image}], "everything": True, "limit": 1000}
    hits = (await traffic.client.post("/v1/search", json=asked)).json()["hits"]
    return [] if any(hit["asset"]["id"] == asset and hit["similarity"] > 0.99 for hit in hits) else [asset]


async def everybody_told(traffic: Traffic, receiver: Receiver, patience: float) -> Check:
    """Wait until each event has arrived at least once, for so many seconds at most."""
    expected = {(kind, asset): count for asset, kept in traffic.assets.items() for kind, count in kept.told.items()}
    expected |= {("job.done", job): 1 for job in traffic.jobs}
    begun = time.monotonic()
    while True:
        lacking = [each for each, count in expected.items() if len(receiver.events.get(each, ())) < count]
        if not lacking or time.monotonic() - begun > patience:
            break
        await asyncio.sleep(0.5)
    told = f"events that never arrived: {len(lacking)} of {sum(expected.values())} {lacking[:3]}, "
    return Check(
        not lacking, told + f"after {time.monotonic() - begun:.1f} s; the receiver answered {dict(receiver.answers)}"
    )


def nothing_leaked(samples: Sequence[Sample]) -> Iterator[Check]:
    """Compare the medians of an early part of the run with those of its end."""
    for name in ("pss", *GROWTH):
        early, late = median(samples, EARLY, name), median(samples, LATE, name)
        ratio = late / early if early else 1.0
        most = GROWTH.get(name, math.inf)
        told = f"{NAMES.get(name, name)}: {early:.0f} early, {late:.0f} late, ratio {ratio:.3f} (at most {most})"
        yield Check(ratio <= most, told)


def nothing_refused(traffic: Traffic) -> Check:
    """Look for answers that there may not be."""
    told = (
        f"answers that may not be (5xx but 503, refusals, broken connections): {len(traffic.wrong)} {traffic.wrong[:3]}"
    )
    return Check(not traffic.wrong, told)
