"""A killed `opsin serve` loses nothing that it acknowledged to any client, and tells webhooks of it in order."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from tests.hooks.receiving import Receiver, receiving

if TYPE_CHECKING:
    from tests.durability.conftest import FreshLibrary
    from tests.durability.durable_check import problems
    from tests.durability.durable_clients import Acknowledged, Clients, problems_over_http
    from tests.nursery import Forked, Nursery, nursery
else:
    from durable_check import problems
    from durable_clients import Acknowledged, Clients, problems_over_http
    from nursery import Forked, Nursery, nursery

_SEED = 20240611
_KILLS = {"start": 5, "load": 11, "stop": 4}
_LONGEST = 0.5
"""Seconds after the first upload that was acknowledged, or after SIGTERM, at which it is killed at the latest."""
_PATIENCE = 60.0
_PRIVATE = "\n[webhooks]\nallow_private = true\nbackoff = 0.1\n"


def _start(opsin: Nursery, root: Path) -> Forked:
    return opsin.start("serve", "--json", "--log", "json", "--port", "0", "--library", root)


class _Serving:
    """A service in a process of its own, which can look at pictures once this is made. ``took``: seconds until then."""

    def __init__(self, opsin: Nursery, root: Path) -> None:
        began = time.monotonic()
        self.running = _start(opsin, root)
        self.url = str(json.loads(self.running.wait_for_line())["url"])
        self.key = (root / "admin.key").read_text("utf-8").strip()
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=_PATIENCE
        )
        while self.client.get("/v1/health/ready").status_code != 200:
            assert time.monotonic() - began < _PATIENCE
            time.sleep(0.05)
        self.took = time.monotonic() - began

    def kill(self) -> None:
        self.client.close()
        self.running.kill()


def test_twenty_kills_under_load_lose_nothing_acknowledged(fresh_library: FreshLibrary, tmp_path: Path) -> None:
    root = fresh_library("library")
    with (root / "opsin.toml").open("a") as settings:
        settings.write(_PRIVATE)
    print(f"seed {_SEED}")
    known = Acknowledged()
    checked: set[str] = set()
    with receiving() as receiver, nursery(tmp_path / "said") as opsin:
        serving = _Serving(opsin, root)
        took = serving.took
        made = serving.client.post("/v1/webhooks", json={"url": receiver.url, "events": ["asset.*"]})
        assert made.status_code == 201, made.text
        serving.kill()
        for number, (stage, part) in enumerate(_moments()):
            moment = f"seed {_SEED}, kill {number}, at {part:.3f} of {stage}"
            if stage == "start":  # what the kill before it left is still to be replayed and told
                running = _start(opsin, root)
                time.sleep(part * took)
                running.kill()
                continue
            serving = _Serving(opsin, root)
            new = {asset: data for asset, data in known.pictures.items() if asset not in checked}
            assert problems_over_http(serving.client, known, new) == [], f"before {moment}"
            checked |= new.keys()
            clients = Clients(known, serving.url, serving.key, f"{_SEED} {number}")
            clients.wait_for_upload()
            if stage == "stop":
                serving.running.send(signal.SIGTERM)
            time.sleep(part * _LONGEST)
            serving.kill()
            clients.join()
            assert known.wrong == [], moment
        serving = _Serving(opsin, root)
        new = {asset: data for asset, data in known.pictures.items() if asset not in checked}
        assert problems_over_http(serving.client, known, new) == [], "after the last kill"
        assert sum(map(len, known.tags.values())) > 0
        assert known.searches > 0
        _wait_until_told(receiver, known)
        serving.kill()
    assert _out_of_order(receiver) == []
    assert problems(root, [{"id": asset, "source": asset} for asset in known.pictures]) == []


def _moments() -> list[tuple[str, float]]:
    """Return when to kill: one moment in each part of each stage, 0..1 of it, so that none is left out; in no order."""
    chosen = random.Random(_SEED)
    moments = [(stage, (part + chosen.random()) / count) for stage, count in _KILLS.items() for part in range(count)]
    chosen.shuffle(moments)
    return moments


def _wait_until_told(receiver: Receiver, known: Acknowledged) -> None:
    """Return when the webhook was told of every picture and every tag that was acknowledged."""
    expected = {(asset, "asset.added") for asset in known.pictures}
    expected |= {(asset, tag) for asset, tags in known.tags.items() for tag in tags}
    until = time.monotonic() + _PATIENCE
    while missing := expected - {each for each, _ in _told(receiver)}:
        assert time.monotonic() < until, f"{len(missing)} events never arrived, e.g. {min(missing)}"
        time.sleep(0.05)


def _told(receiver: Receiver) -> list[tuple[tuple[str, str], str]]:
    """Return of each request the asset with what happened to it (a tag that was given, else the event), and its id."""
    return [
        ((event["data"]["asset"]["id"], (event["data"].get("added") or [event["type"]])[0]), headers["webhook-id"])
        for headers, event in ((headers, json.loads(body)) for headers, body in list(receiver.came))
    ]


def _out_of_order(receiver: Receiver) -> list[str]:
    """Return the assets whose events came first in another order than they happened: added, tag0, tag1, ..."""
    seen: set[str] = set()
    came: dict[str, list[str]] = defaultdict(list)
    for (asset, what), name in _told(receiver):
        if name not in seen:
            seen.add(name)
            came[asset].append(what)
    return [
        f"{asset}: {order}"
        for asset, order in came.items()
        if order != ["asset.added", *(f"tag{number}" for number in range(len(order) - 1))]
    ]
