"""How fast an encoder is on this machine: measured with made pictures, kept in the cache folder."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import msgspec
import numpy as np

from opsin.catalogue.ids import now
from opsin.host import Host, discover, find_encoder
from opsin.plugin import Frame
from opsin.settings import Settings, cache_folder

_FILE = "speeds.json"
_WIDTH, _HEIGHT = 640, 480
_PICTURES = 32
_SECONDS = 3.0
"""Measured for at least so long, after a warm-up of one round."""


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: pictures of 640x480, already decoded, to stored embeddings. ``machine`` is where it was made."""

    encoder: str
    revision: str
    images_per_second: float
    images: int
    runtime: str
    machine: str
    measured_at: str


def measure(settings: Settings, encoder: str) -> Speed:
    """Load the encoder alone, let it look at made pictures, remember its speed and return it.

    :raises UnknownName: where no plugin has it.
    :raises PluginError: where it cannot be loaded, e.g. because its weights are not here.
    """
    plugins = discover(settings)
    owner = find_encoder(plugins, encoder)[0].name
    others = {plugin.name: {"enabled": False} for plugin in plugins if plugin.name != owner}
    alone = msgspec.structs.replace(settings, plugins={**settings.plugins, **others})
    host = Host(alone, cache=cache_folder(), encoder=encoder)
    try:
        host.encoder.ensure()
        frames = [made_picture(number) for number in range(_PICTURES)]
        for frame in frames:  # decoding makes these beforehand
            for view in host.views:
                frame.view(view)
        _round(host, frames)
        begun = time.perf_counter()
        images = 0
        while (seconds := time.perf_counter() - begun) < _SECONDS:
            images += _round(host, frames)
        runtime = next((item.runtime for status in host.statuses() for item in status.objects if item.runtime), "")
        found = Speed(
            encoder=encoder,
            revision=host.encoder.revision,
            images_per_second=round(images / seconds, 1),
            images=images,
            runtime=runtime,
            machine=this_machine(),
            measured_at=now(),
        )
    finally:
        host.close()
    _remember(found)
    return found


def speeds() -> dict[str, Speed]:
    """Return what was measured on this machine, by encoder."""
    try:
        known = msgspec.json.decode((cache_folder() / _FILE).read_bytes(), type=list[Speed])
    except (OSError, msgspec.DecodeError):  # nothing was measured, or it can be measured again
        return {}
    return {speed.encoder: speed for speed in known if speed.machine == this_machine()}


def this_machine() -> str:
    """Return a name that tells this machine from others that share a cache folder."""
    return f"{platform.node()}, {os.cpu_count()} x {platform.machine()}"


def made_picture(seed: int) -> Frame:
    """Return a decoded picture of 640x480 in soft colours, where it does not matter what it shows."""
    small = np.random.default_rng(seed).integers(0, 256, (_HEIGHT // 32, _WIDTH // 32, 3), np.uint8)
    return Frame(np.ascontiguousarray(np.kron(small, np.ones((32, 32, 1), np.uint8))))


def _round(host: Host, frames: list[Frame]) -> int:
    for waiting in [host.submit([frame], (), wait=True) for frame in frames]:
        waiting.result()
    return len(frames)


def _remember(speed: Speed) -> None:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    kept = {**speeds(), speed.encoder: speed}
    unfinished = Path(folder / f".{_FILE}.{os.getpid()}")
    unfinished.write_bytes(msgspec.json.encode(list(kept.values())))
    unfinished.replace(folder / _FILE)
