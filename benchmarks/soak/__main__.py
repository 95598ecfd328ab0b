"""Mixed load on a real service whose plugins fail by chance: nothing may be lost, nor leak, and all heals in the end.

    python -m benchmarks.soak [--minutes 3] [--rate 1.0] [--deadline 10]     # make bench-soak; --minutes 60 for the hour

The library has the starter and every built-in plugin, and two that fail (``faulty.py``): one in the service's process, one
isolated. Several clients send requests at set times whether or not earlier ones were answered; a webhook goes to a receiver
that sometimes answers 500. From a twentieth of the run to three quarters of it faults happen. The exit status is 1 where a
check fails; each is printed with its numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from benchmarks.processes import cpu_seconds
from benchmarks.serving import Serving, serving
from benchmarks.soak import checks, faulty
from benchmarks.soak.checks import Check
from benchmarks.soak.receiver import Receiver, receiving
from benchmarks.soak.samples import Samples
from benchmarks.soak.traffic import VOCABULARY, Traffic

import opsin

SEED = 20261130
FAULTS = (0.05, 0.75)
"""From which part of the run to which there are faults."""
UNDO = 40.0
PATIENCE = 180.0
"""Seconds after the load in which all has to be healed, and everybody told."""
REPORTS = 12
"""So often it is told how the run goes."""
SETTINGS = """
[host]
extra_plugins = ["benchmarks.soak.faulty:here", "benchmarks.soak.faulty:apart"]
batch = 4
deadline = %(deadline)g
backoff = 2.0
longest_backoff = 8.0

[assets]
undo = %(undo)g

[schedule]
erase = 20.0
snapshot = 30.0
heal = 5.0

[webhooks]
allow_private = true
backoff = 0.5
"""


def library(folder: Path, deadline: float) -> Path:
    """Make the library, and return where it is; the plugins that fail look into ``folder``."""
    root = folder / "library"
    root.mkdir()
    settings = SETTINGS % {"deadline": deadline, "undo": UNDO}
    for name, isolate in ((faulty.HERE, "false"), (faulty.APART, "true")):
        settings += f'\n[plugins.{name}]\nisolate = {isolate}\nfolder = "{folder}"\n'
        settings += f"seed = {SEED}\ndeadline = {deadline}\n"
    (root / "opsin.toml").write_text(settings, "utf-8")
    with opsin.init(root, encoder="starter") as made:
        made.vocabularies.create(VOCABULARY, [opsin.Label(id="label_0", prompts=("a photo of a dog",))])
    return root


async def faults(folder: Path, seconds: float) -> None:
    """Let faults happen in their part of the run."""
    await asyncio.sleep(FAULTS[0] * seconds)
    (folder / faulty.FAULTS).touch()
    await asyncio.sleep((FAULTS[1] - FAULTS[0]) * seconds)
    (folder / faulty.FAULTS).unlink()


async def telling(traffic: Traffic, samples: Samples, seconds: float) -> None:
    """Print from time to time how the run goes."""
    begun = time.monotonic()
    for number in range(1, REPORTS + 1):
        await asyncio.sleep(begun + number * seconds / REPORTS - time.monotonic())
        held, count = samples.taken[-1].held, sum(map(len, traffic.seconds.values()))
        print(
            f"{number * seconds / REPORTS:6.0f} s: {count} answers, {len(traffic.live)} assets; PSS {held.pss:.0f} MB, {held.own:.0f} of it its own, {held.files} files, "
            f"{held.threads} threads, {held.processes} processes, {held.shared} shared",
            flush=True,
        )


def print_latencies(traffic: Traffic) -> None:
    """Print of each kind of request its statuses and how long it took, from when it was due."""
    for kind, seconds in traffic.seconds.items():
        half, most, all_but = (1000 * float(np.quantile(seconds, part)) for part in (0.5, 0.95, 0.99))
        print(f"{kind:>15}: p50 {half:.0f} ms, p95 {most:.0f}, p99 {all_but:.0f}; {dict(traffic.statuses[kind])}")


def print_faults(folder: Path) -> None:
    """Print what the plugins did."""
    for name in (faulty.HERE, faulty.APART):
        calls = Counter((folder / f"{name}.calls").read_text())
        told = ", ".join(f"{what} {calls[letter]}" for letter, what in faulty.LETTERS.items() if calls[letter])
        print(f"{name}: of {calls.total()} calls {told}")


async def soak(service: Serving, receiver: Receiver, folder: Path, seconds: float, rate: float) -> list[Check]:
    """Put load on the service, and return what was found."""
    traffic = Traffic(service.url, service.headers, SEED, undo=UNDO)
    samples = Samples(service.process.pid)
    made = await traffic.client.post("/v1/webhooks", json={"url": receiver.url, "events": ["asset.*", "job.*"]})
    made.raise_for_status()
    await traffic.warm_up()
    before, begun = cpu_seconds(service.process.pid), time.monotonic()
    await asyncio.gather(
        traffic.send(seconds, rate),
        faults(folder, seconds),
        samples.take(seconds, max(1.0, seconds / 400)),
        telling(traffic, samples, seconds),
    )
    used = (cpu_seconds(service.process.pid) - before) / (time.monotonic() - begun)
    print(f"the service used {used:.2f} of a core, at the rate {rate:g}")
    print_latencies(traffic)
    print_faults(folder)
    failed = await traffic.settle_jobs()
    found = [
        Check(not failed, f"jobs that did not do what they should: {len(failed)} of {len(traffic.jobs)} {failed[:3]}")
    ]
    found.append(await checks.healed(traffic, PATIENCE))
    found += await checks.nothing_lost(traffic)
    found.append(await checks.everybody_told(traffic, receiver, PATIENCE))
    found += [*checks.nothing_leaked(samples.taken), checks.nothing_refused(traffic)]
    await traffic.close()
    return found


def sound(root: Path) -> Check:
    """Have `opsin doctor` look the library over."""
    command = [sys.executable, "-c", "from opsin.cli import main; main()", "doctor", "--library", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Check(
        done.returncode == 0, f"opsin doctor ends with {done.returncode}{'' if not done.returncode else done.stdout}"
    )


def main() -> None:
    """Serve a new library, put load on it, stop it, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="A long run with failing plugins.")
    parser.add_argument("--minutes", type=float, default=3.0, help="for how long there is load")
    parser.add_argument("--rate", type=float, default=1.0, help="1.0: some 3.5 requests a second")
    parser.add_argument("--deadline", type=float, default=10.0, help="of plugins, in seconds: longer on a busy machine")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = library(folder, given.deadline)
        with serving(root) as service, receiving(SEED) as receiver:
            found = asyncio.run(soak(service, receiver, folder, given.minutes * 60, given.rate))
            status = service.stop()
            found.append(Check(status == 0, f"the service stopped with status {status}"))
            found.append(sound(root))
            for check in found:
                print("ok  " if check.good else "FAIL", check.said)
            if failed := sum(not check.good for check in found):
                sys.exit(f"{failed} of {len(found)} checks failed")


if __name__ == "__main__":
    main()
