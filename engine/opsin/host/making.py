"""Makes the lane of each object, in one of the host's two threads or with a process of its own, and ends them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsin.host.context import HostContext
from opsin.host.discovery import Plugin
from opsin.host.health import Clock, Health
from opsin.host.isolated import ProcessTarget
from opsin.host.lane import Lane
from opsin.host.local import LocalTarget, PluginObject, object_name
from opsin.host.messages import Opening
from opsin.host.recipe import Recipe, build
from opsin.host.runner import Runner, Watch
from opsin.host.target import Target
from opsin.plugin import Categorizer, Frames
from opsin.settings import HostSettings

if TYPE_CHECKING:
    from opsin.host.encoder import EncoderProxy
    from opsin.host.networks import Networks


PATIENCE = 10.0
"""Seconds that closing waits for calls that are under way."""


class LaneMaker:
    """Owns the threads. ``encoder`` is lent to categorizers; it is set once the encoder's own lane is made.

    ``extracted`` holds the revision of what each extractor beside the encoder gives, by feature; set once these are made.
    """

    def __init__(self, settings: HostSettings, cache: Path, clock: Clock, networks: Networks | None = None) -> None:
        self.encoder: EncoderProxy | None = None
        self.extracted: Mapping[str, str] = {}
        self._settings = settings
        self._cache = cache
        self._networks = networks
        self._clock = clock
        self._lock = threading.Lock()
        self._of_encoder = Runner("encoder")
        self._of_plugins = Runner("plugins")
        self._runners = [self._of_encoder, self._of_plugins]
        shortest = min(settings.deadline, settings.load_deadline)
        self._watch = Watch(self.runners, max(0.01, min(0.25, shortest / 4)))
        self._watch.start()

    def runners(self) -> Sequence[Runner]:
        """Return every thread's runner."""
        with self._lock:
            return tuple(self._runners)

    def make(self, plugin: Plugin, item: PluginObject, recipe: Recipe) -> Lane:
        """Return the lane of ``item``, which ``recipe`` builds again."""
        encoder = self.encoder if recipe.kind == "categorizer" else None
        settings = self._settings
        lane = Lane(
            self._isolated(plugin, item, recipe, encoder)
            if plugin.isolated
            else self._local(plugin, item, recipe, encoder),
            plugin=plugin.name,
            kind=recipe.kind,
            name=object_name(item),
            batch=settings.batch,
            deadline=settings.deadline,
            load_deadline=settings.load_deadline,
            health=Health(self._clock, backoff=settings.backoff, longest=settings.longest_backoff),
            before_load=encoder.ensure_known if encoder is not None and plugin.isolated else None,
            grounds=self._grounds(item),
        )
        self._runner(plugin, lane).add(lane)
        return lane

    def _grounds(self, item: PluginObject) -> str:
        needs = item.needs if isinstance(item, Categorizer) and not isinstance(item.needs, Frames) else ()
        return ", ".join(f"{name} {self.extracted[name]}" for name in sorted(needs) if name in self.extracted)

    def retire(self, lanes: Sequence[Lane]) -> None:
        """Close lanes that nobody uses any more, each in its own thread."""
        for lane in lanes:
            lane.runner.remove(lane)
            if lane.target.isolated:
                lane.runner.finish()

    def close(self) -> None:
        """End every thread: the call under way may take up to ``PATIENCE`` to finish, objects are closed."""
        for runner in self.runners():
            runner.begin_close()
        until = time.monotonic() + PATIENCE
        for runner in reversed(self.runners()):
            runner.join(until)
        self._watch.close()

    def _runner(self, plugin: Plugin, lane: Lane) -> Runner:
        if not plugin.isolated:
            return self._of_encoder if lane.kind == "encoder" else self._of_plugins
        runner = Runner(f"{plugin.name}-{lane.name}")  # it only waits for its process
        with self._lock:
            self._runners = [*(each for each in self._runners if not each.finished), runner]
        return runner

    def _local(self, plugin: Plugin, item: PluginObject, recipe: Recipe, encoder: EncoderProxy | None) -> Target:
        context = HostContext(
            plugin=plugin.name,
            config=plugin.config,
            cache=self._cache,
            settings=self._settings,
            encoder=encoder,
            networks=self._networks,
        )
        return LocalTarget(recipe.kind, item, rebuild=lambda: build(plugin, recipe), context=context)

    def _isolated(self, plugin: Plugin, item: PluginObject, recipe: Recipe, encoder: EncoderProxy | None) -> Target:
        opening = Opening(
            plugin=plugin.name,
            source=plugin.source,
            distribution=plugin.distribution,
            config=plugin.raw_config,
            recipe=recipe,
            cache=str(self._cache),
            settings=self._settings,
            encoder=None,
        )
        return ProcessTarget(item, opening, encoder)
