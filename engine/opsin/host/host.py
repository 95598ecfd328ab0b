"""The plugin host: owns the objects of all plugins and drives every content through them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opsin.errors import Overloaded, PluginError, UnknownName, UsageError
from opsin.host.context import HostContext
from opsin.host.discovery import Extra, Plugin, discover
from opsin.host.encoder import EncoderProxy, ask
from opsin.host.isolated import ProcessTarget
from opsin.host.lane import Lane, Target
from opsin.host.local import LocalTarget, PluginObject, item_of, object_name
from opsin.host.messages import Opening
from opsin.host.passes import Pass
from opsin.host.recipe import Recipe, build
from opsin.host.roster import build_categorizers, build_extractors, find_encoder
from opsin.host.runner import Runner, Watch
from opsin.host.status import plugin_status
from opsin.host.values import Analysis, PluginStatus
from opsin.model import Label, Report, Vocabulary
from opsin.plugin import Categorizer, Extractor, Feature, Frame, Frames, Item, View
from opsin.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOGGER = logging.getLogger("opsin.host")


class Host:
    """Runs one encoder, and the extractors and categorizers of every usable plugin.

    Building it builds objects and loads nothing; each is loaded at its first use, or by ``start``. ``plugins`` are
    further (name, module) pairs beside the installed ones. ``clock`` (seconds) paces the back-off of quarantined
    plugins. Callbacks of the futures run in the host's threads: keep them short and never wait for the host in them.

    :raises UnknownName: where no plugin has the encoder.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        cache: Path,
        encoder: str,
        vocabularies: Sequence[Vocabulary] = (),
        plugins: Iterable[Extra] = (),
        clock: Callable[[], float] = time.monotonic,
        log: logging.Logger = LOGGER,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._clock = clock
        self._log = log
        self._room = threading.Condition()
        self._in_flight = 0
        self._closed = False
        self._vocabularies = tuple(vocabularies)
        self._main = Runner("inference")
        self._runners = [self._main]
        self._plugins = discover(settings, plugins)
        self._retired: list[tuple[_Roster, list[Lane]]] = []
        plugin, item = find_encoder(self._plugins, encoder)
        self._encoder_lane = self._make_lane(plugin, item, Recipe("encoder", encoder))
        self.encoder = EncoderProxy(self._encoder_lane, item)
        taken = set(self._encoder_lane.gives)
        self._extractors = [self._encoder_lane, *build_extractors(self._plugins, taken, self._make_lane)]
        self._roster = _Roster(self._build_categorizers({}))
        shortest = min(settings.host.deadline, settings.host.load_deadline)
        self._watch = Watch(lambda: list(self._runners), max(0.01, min(0.25, shortest / 4)))
        self._watch.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Load every object that is not loaded, and wait for it; ``encoder.ensure()`` loads the encoder alone.

        :raises PluginError: where the encoder cannot be loaded; any other failure shows in ``statuses``.
        """
        self.encoder.ensure()
        for load in [ask(lane, "ready") for lane in (*self._extractors, *self._roster.lanes) if not lane.loaded]:
            load.exception()

    def close(self) -> None:
        """Finish the batch under way, settle what waits with an error, give memory back."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        for runner in reversed(self._runners):
            runner.close()
        self._watch.close()

    @property
    def features(self) -> Mapping[str, Feature]:
        """Every feature that one frame yields, by name."""
        return {
            feature.name: feature
            for lane in self._extractors
            if isinstance(lane.target.item, Extractor)
            for feature in lane.target.item.features
        }

    @property
    def min_side(self) -> int:
        """The shorter side in pixels that decoding must leave, so that every object sees enough."""
        sides = [lane.target.item.min_side for lane in self._extractors if isinstance(lane.target.item, Extractor)]
        sides += [view.min_side for view in self.views]
        sides += [lane.needs.min_side for lane in self._roster.lanes if isinstance(lane.needs, Frames)]
        return max(sides)

    @property
    def views(self) -> tuple[View, ...]:
        """The geometries that extractors will ask frames for; decoding makes them beforehand."""
        views = [lane.target.item.view for lane in self._extractors if isinstance(lane.target.item, Extractor)]
        return tuple(dict.fromkeys(view for view in views if view is not None))

    def submit(
        self, frames: Sequence[Frame], categorizers: Collection[str] | None = None, *, wait: bool = False
    ) -> Future[Analysis]:
        """Send one content's frames on their way; they are batched with those of other contents.

        ``categorizers`` None means all. The future fails with PluginError only where the encoder fails on this
        content. ``wait`` waits for room where too much is under way.

        :raises UnknownName: for a categorizer that does not exist.
        :raises Overloaded: where ``host.queue`` frames are under way and ``wait`` is False.
        """
        if not frames:
            raise UsageError("a content needs at least one frame")
        chosen = None if categorizers is None else [self._by_id(name) for name in categorizers]
        run = self._begin(len(frames), wait=wait, frames=frames, features=[{} for _ in frames], categorizers=chosen)
        run.begin(self._extractors)
        return run.future

    def categorize(
        self, features: Sequence[Mapping[str, NDArray[Any]]], categorizers: Collection[str] | None = None
    ) -> list[Report]:
        """Score one content again from its stored features (one mapping per frame); no picture is opened.

        ``categorizers`` None means all that need features only.

        :raises UnknownName: for a categorizer that does not exist.
        :raises UsageError: for one that needs the picture itself.
        """
        return self.categorize_many([features], categorizers)[0]

    def categorize_many(
        self,
        contents: Sequence[Sequence[Mapping[str, NDArray[Any]]]],
        categorizers: Collection[str] | None = None,
    ) -> list[list[Report]]:
        """Score many contents again, as ``categorize`` does one; lists in the same order."""
        chosen = self._choose(categorizers)
        runs = []
        for features in contents:
            run = self._begin(
                len(features), wait=True, frames=None, features=[dict(each) for each in features], categorizers=chosen
            )
            run.begin(())
            runs.append(run)
        return [list(run.future.result().reports) for run in runs]

    def can_categorize(self, features: Sequence[Mapping[str, NDArray[Any]]], categorizer: str) -> bool:
        """Return whether a content's stored features are enough for ``categorizer``.

        :raises UnknownName: for a categorizer that does not exist.
        """
        needs = self._by_id(categorizer).needs
        return not isinstance(needs, Frames) and all(needs <= set(each) for each in features)

    def explain(
        self,
        categorizer: str,
        features: Mapping[str, NDArray[Any]],
        label: str | Label,
        *,
        frame: Frame | None = None,
    ) -> Mapping[str, Any]:
        """Return what the categorizer computes the score of ``label`` from, for one frame's stored features.

        :raises UnknownName: for a categorizer or label that does not exist.
        :raises PluginError: where the categorizer is out of use or fails.
        """
        lane = self._by_id(categorizer)
        needs = lane.needs
        if isinstance(label, str):
            known = lane.target.vocabulary
            found = Label(id=label) if known is None else known.by_id.get(label)
            if found is None:
                msg = f"the categorizer {categorizer!r} has no label {label!r}"
                raise UnknownName(msg)
            label = found
        if isinstance(needs, Frames):
            seen = Item(features={}, frame=frame)
        else:
            absent = sorted(needs - set(features))
            if absent:
                msg = f"the categorizer {categorizer!r} needs the feature {absent[0]!r}, which is missing"
                raise PluginError(msg)
            seen = item_of(features, needs)
        answer: Mapping[str, Any] = ask(lane, "explain", seen, label).result()
        return answer

    def set_vocabularies(self, vocabularies: Sequence[Vocabulary]) -> None:
        """Build the categorizers again for ``vocabularies``; equal ones stay loaded, contents under way keep theirs."""
        self._vocabularies = tuple(vocabularies)
        old = self._roster
        known = {(lane.plugin, lane.name): lane for lane in old.lanes}
        fresh = _Roster(self._build_categorizers(known))
        with self._room:
            self._roster = fresh
            self._retired.append((old, [lane for lane in old.lanes if lane not in fresh.lanes]))
        self._retire()

    @property
    def revisions(self) -> Mapping[str, str]:
        """The revision of every categorizer, which is loaded for it; one that cannot be loaded keeps its declared one."""
        lanes = self._roster.lanes
        for load in [ask(lane, "ready") for lane in lanes if not lane.loaded]:
            load.exception()
        return {lane.name: lane.target.revision for lane in lanes}

    @property
    def declines(self) -> Mapping[str, Mapping[str, str]]:
        """The labels that each categorizer cannot see, with the reason; complete once it is loaded."""
        return {lane.name: lane.target.declines for lane in self._roster.lanes}

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """The labels that each categorizer may answer with; those that may answer with any are left out."""
        known = {lane.name: lane.target.vocabulary for lane in self._roster.lanes}
        return {name: vocabulary for name, vocabulary in known.items() if vocabulary is not None}

    @property
    def labels(self) -> Mapping[str, Label]:
        """Every label that a categorizer may answer with, by id; where two describe one, the first categorizer's."""
        found: dict[str, Label] = {}
        for vocabulary in self.vocabularies.values():
            for label in vocabulary.labels:
                found.setdefault(label.id, label)
        return found

    def statuses(self) -> list[PluginStatus]:
        """Return how each plugin and its objects are, by name."""
        lanes = [*self._extractors, *self._roster.lanes]
        return [
            plugin_status(plugin, [lane for lane in lanes if lane.plugin == plugin.name]) for plugin in self._plugins
        ]

    def _begin(
        self,
        count: int,
        *,
        wait: bool,
        frames: Sequence[Frame] | None,
        features: list[dict[str, NDArray[Any]]],
        categorizers: Sequence[Lane] | None,
    ) -> Pass:
        limit = self._settings.host.queue
        with self._room:
            while self._in_flight and self._in_flight + count > limit and not self._closed:
                if not wait:
                    msg = f"{self._in_flight} frames are under way, as many as host.queue = {limit} allows; try again"
                    raise Overloaded(msg)
                self._room.wait()
            if self._closed:
                raise PluginError("the plugin host is closed")
            self._in_flight += count
            roster = self._roster
            roster.users += 1

        def done() -> None:
            with self._room:
                self._in_flight -= count
                roster.users -= 1
                self._room.notify_all()
                retired = bool(self._retired)
            if retired:
                self._retire()

        lanes = roster.lanes if categorizers is None else categorizers
        return Pass(
            frames=frames,
            features=features,
            encoder=self._encoder_lane if frames is not None else None,
            categorizers=lanes,
            done=done,
        )

    def _retire(self) -> None:
        """Close the lanes of earlier rosters that no content uses any more."""
        with self._room:
            free = [each for each in self._retired if not each[0].users]
            self._retired = [each for each in self._retired if each[0].users]
        for _, lanes in free:
            for lane in lanes:
                lane.runner.remove(lane)
                if lane.target.isolated:
                    lane.runner.finish()

    def _choose(self, categorizers: Collection[str] | None) -> list[Lane]:
        if categorizers is None:
            return [lane for lane in self._roster.lanes if not isinstance(lane.needs, Frames)]
        chosen = [self._by_id(name) for name in categorizers]
        for lane in chosen:
            if isinstance(lane.needs, Frames):
                msg = f"the categorizer {lane.name!r} looks at the picture itself; stored features are not enough"
                raise UsageError(msg)
        return chosen

    def _by_id(self, name: str) -> Lane:
        for lane in self._roster.lanes:
            if lane.name == name:
                return lane
        known = ", ".join(lane.name for lane in self._roster.lanes) or "none"
        msg = f"there is no categorizer {name!r}; there are: {known}"
        raise UnknownName(msg)

    def _build_categorizers(self, known: Mapping[tuple[str, str], Lane]) -> list[Lane]:
        def reuse(plugin: Plugin, item: Categorizer) -> Lane | None:
            lane = known.get((plugin.name, item.id))
            if lane is None or not isinstance(item.vocabulary, Vocabulary):
                return None
            return lane if lane.built_from == (item.revision, item.vocabulary.revision) else None

        return build_categorizers(self._plugins, self._vocabularies, self._make_lane, reuse)

    def _make_lane(self, plugin: Plugin, item: PluginObject, recipe: Recipe) -> Lane:
        host = self._settings.host
        encoder = self.encoder if recipe.kind == "categorizer" else None
        target: Target
        if plugin.isolated:
            opening = Opening(
                plugin=plugin.name,
                source=plugin.source,
                distribution=plugin.distribution,
                config=plugin.raw_config,
                recipe=recipe,
                cache=str(self._cache),
                settings=host,
                encoder=None,
            )
            target = ProcessTarget(item, opening, encoder)
        else:
            context = HostContext(
                plugin=plugin.name, config=plugin.config, cache=self._cache, settings=host, encoder=encoder
            )
            target = LocalTarget(recipe.kind, item, rebuild=lambda: build(plugin, recipe), context=context)
        lane = Lane(
            target,
            plugin=plugin.name,
            kind=recipe.kind,
            name=object_name(item),
            batch=host.batch,
            deadline=host.deadline,
            load_deadline=host.load_deadline,
            clock=self._clock,
            before_load=encoder.ensure if encoder is not None and plugin.isolated else None,
        )
        if isinstance(item, Categorizer) and isinstance(item.vocabulary, Vocabulary):
            lane.built_from = (item.revision, item.vocabulary.revision)
        runner = self._main
        if plugin.isolated:  # its thread only waits for its process
            runner = Runner(f"{plugin.name}-{lane.name}")
            with self._room:
                self._runners = [*(each for each in self._runners if not each.finished), runner]
        runner.add(lane)
        return lane


class _Roster:
    """The categorizers' lanes at one time; ``users`` counts the contents under way that use them."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self.users = 0
