"""The plugin host: owns the objects of all plugins and drives every content through them."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opsin.errors import SettingError, UsageError
from opsin.host.discovery import Extra, Plugin, discover, require_settings, unknown_sections
from opsin.host.encoder import EncoderProxy, ask
from opsin.host.explaining import explain
from opsin.host.lane import Lane
from opsin.host.making import LaneMaker
from opsin.host.messages import EncoderFacts
from opsin.host.networks import Networks
from opsin.host.passes import Pass
from opsin.host.recipe import Recipe
from opsin.host.room import Room
from opsin.host.roster import Roster, build_categorizers, build_extractors, find_encoder
from opsin.host.status import plugin_status
from opsin.host.trial import Trial
from opsin.host.values import Analysis, Given, PluginStatus
from opsin.model import Label, Report, Vocabulary
from opsin.plugin import Categorizer, Extractor, Frame, Frames, View
from opsin.plugin.vocabulary import merge_labels
from opsin.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("opsin.host")


class Host:
    """Runs one encoder, and the extractors and categorizers of every usable plugin.

    Building it builds objects and loads nothing; each is loaded at its first use, or by ``start``. ``plugins`` are
    further (name, module) pairs beside the installed ones. ``made_by`` is the encoder that made the stored vectors, None
    where there are none. ``strict``: a plugin whose settings cannot be used is an error, not merely left out. ``clock`` (seconds) paces the back-off of quarantined plugins. What is compiled in
    this process is shared with hosts that have the same ``networks``. Callbacks of the futures run in the host's threads: keep them short and never wait for the host in them.

    :raises UnknownName: where no plugin has the encoder.
    :raises SettingError: where ``strict``, naming file, line and key.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        cache: Path,
        encoder: str,
        vocabularies: Sequence[Vocabulary] = (),
        plugins: Iterable[Extra] = (),
        made_by: EncoderFacts | None = None,
        strict: bool = False,
        clock: Callable[[], float] = time.monotonic,
        networks: Networks | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._retired: list[tuple[Roster, list[Lane]]] = []
        self._room = Room(settings.host.queue)
        self._plugins = discover(settings, plugins)
        if strict:
            require_settings(self._plugins)
        for broken in (each for each in self._plugins if each.state == "broken" and not each.wrong_settings):
            log.warning("the plugin %r is left out: %s", broken.name, broken.reason)
        self.unknown_sections: Sequence[str] = unknown_sections(settings, self._plugins)
        plugin, item = find_encoder(self._plugins, encoder)
        self._maker = maker = LaneMaker(settings.host, cache, clock, networks)
        lane = maker.make(plugin, item, Recipe("encoder", encoder))
        self.encoder = maker.encoder = EncoderProxy(lane, item, made_by)
        self._extractors = [lane, *build_extractors(self._plugins, set(lane.gives), maker.make)]
        maker.extracted = {name: each.target.revision for each in self._extractors[1:] for name in each.gives}
        self._given = frozenset(name for each in self._extractors for name in each.gives)
        self._roster = Roster(self._build_categorizers(vocabularies, {}))
        if strict:
            try:
                require_settings(self._plugins)
            except SettingError:
                self.close()
                raise

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
        for load in [ask(lane, "ready") for lane in (*self._extractors, *self._roster.lanes) if not lane.loaded]:
            load.exception()
        self.encoder.ensure()

    def close(self) -> None:
        """Finish the batch under way, settle what waits with an error, give memory back."""
        self._room.close()
        self._maker.close()

    @property
    def features(self) -> Mapping[str, Given]:
        """Every feature that one frame yields, by name. Nothing is loaded for it."""
        mine = self._extractors[0]
        return {
            feature.name: Given(feature, *(("", "") if lane is mine else (lane.plugin, lane.target.revision)))
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
        self,
        frames: Sequence[Frame],
        categorizers: Collection[str] | None = None,
        *,
        known: Sequence[Mapping[str, NDArray[Any]]] | None = None,
        wait: bool = False,
    ) -> Future[Analysis]:
        """Send one content's frames on their way; they are batched with those of other contents.

        ``categorizers`` None means all. ``known`` holds the features that are stored already, one mapping per frame:
        only extractors that give another one are asked. The future fails with PluginError only where the encoder fails
        on this content. ``wait`` waits for room where too much is under way.

        :raises UnknownName: for a categorizer that does not exist.
        :raises UsageError: where ``known`` is not about as many frames.
        :raises Overloaded: where ``host.queue`` frames are under way and ``wait`` is False.
        """
        if not frames:
            raise UsageError("a content needs at least one frame")
        if known is not None and len(known) != len(frames):
            msg = f"there are stored features of {len(known)} frames, but {len(frames)} frames to look at"
            raise UsageError(msg)
        for frame in frames:  # all plugins look at the same pixels
            for pixels in (frame.pixels, *frame.views.values()):
                pixels.setflags(write=False)
        return self._pass(frames, [dict(each) for each in known or [{}] * len(frames)], categorizers, wait=wait)

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
        futures = [
            self._pass(None, [dict(each) for each in features], categorizers, wait=True) for features in contents
        ]
        return [list(future.result().reports) for future in futures]

    def lacks(self, features: Sequence[Mapping[str, NDArray[Any]]], categorizer: str) -> bool:
        """Return whether ``categorizer`` has to see the picture: for its pixels, or for a feature that can be had of it.

        A feature that no plugin in use gives cannot be had of the picture either.

        :raises UnknownName: for a categorizer that does not exist.
        """
        needs = self._roster.by_id(categorizer).needs
        return isinstance(needs, Frames) or any(name not in each for name in needs & self._given for each in features)

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
        return explain(self._roster.by_id(categorizer), features, label, frame)

    def set_vocabularies(self, vocabularies: Sequence[Vocabulary]) -> None:
        """Build the categorizers again for ``vocabularies``; equal ones stay loaded, contents under way keep theirs."""
        old = self._roster
        known = {(lane.plugin, lane.name): lane for lane in old.lanes}
        fresh = Roster(self._build_categorizers(vocabularies, known))
        with self._lock:
            old.users += 1
            self._roster = fresh
            self._retired.append((old, [lane for lane in old.lanes if lane not in fresh.lanes]))
        self._leave(old)

    @contextmanager
    def trial(self, vocabularies: Sequence[Vocabulary]) -> Iterator[Trial]:
        """Lend the categorizers that there would be with these ``vocabularies``; those in use stay the ones in use."""
        with self._lock:
            base = self._roster
            base.users += 1  # its lanes stay open as long as the trial, which shares them
        roster = Roster(self._build_categorizers(vocabularies, {(lane.plugin, lane.name): lane for lane in base.lanes}))
        fresh = [lane for lane in roster.lanes if lane not in base.lanes]
        roster.users += 1
        try:
            yield Trial(roster, base, functools.partial(self._pass, None, wait=True, roster=roster))
        finally:
            with self._lock:
                self._retired.append((roster, fresh))
            self._leave(roster)
            self._leave(base)

    @property
    def categorizers(self) -> Mapping[str, frozenset[str]]:
        """Every categorizer, with the features that it needs: none where it looks at pixels."""
        found = {lane.name: lane.needs for lane in self._roster.lanes}
        return {name: frozenset() if isinstance(needs, Frames) else needs for name, needs in found.items()}

    @property
    def well(self) -> frozenset[str]:
        """The categorizers that are not out of use at the moment."""
        return frozenset(lane.name for lane in self._roster.lanes if not lane.health.rests)

    @property
    def owners(self) -> Mapping[str, str]:
        """The plugin of each categorizer."""
        return {lane.name: lane.plugin for lane in self._roster.lanes}

    def revisions(self, categorizers: Collection[str] | None = None) -> dict[str, str]:
        """Return the revisions of these categorizers (None: all), which are loaded for it; one that cannot be keeps its declared one.

        Each goes on to name the extracted features that it rests on, with the revisions of their extractors.

        :raises UnknownName: for a categorizer that does not exist.
        """
        roster = self._roster
        lanes = roster.lanes if categorizers is None else [roster.by_id(name) for name in categorizers]
        for load in [ask(lane, "ready") for lane in lanes if not lane.loaded]:
            load.exception()
        return {lane.name: lane.revision for lane in lanes}

    def unasked(self, asked: Collection[str], reason: str) -> list[Report]:
        """Return the reports of all categorizers that are not among those ``asked``: declined for this ``reason``."""
        return [
            Report(categorizer=lane.name, revision=lane.revision, family=lane.family, status="declined", reason=reason)
            for lane in self._roster.lanes
            if lane.name not in asked
        ]

    @property
    def declines(self) -> Mapping[str, Mapping[str, str]]:
        """The labels that each categorizer that is loaded cannot see, with the reason."""
        return {lane.name: lane.target.declines for lane in self._roster.lanes if lane.loaded}

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """The labels that each categorizer may answer with; those that may answer with any are left out."""
        return self._roster.vocabularies

    @property
    def labels(self) -> Mapping[str, Label]:
        """Every label that a categorizer may answer with, by id; where two describe one, joined."""
        return merge_labels(self.vocabularies.values())

    def statuses(self) -> list[PluginStatus]:
        """Return how each plugin and its objects are, by name."""
        lanes = [*self._extractors, *self._roster.lanes]
        return [
            plugin_status(plugin, [lane for lane in lanes if lane.plugin == plugin.name]) for plugin in self._plugins
        ]

    def _pass(
        self,
        frames: Sequence[Frame] | None,
        features: list[dict[str, NDArray[Any]]],
        categorizers: Collection[str] | None,
        *,
        wait: bool,
        roster: Roster | None = None,
    ) -> Future[Analysis]:
        """Begin a pass of ``frames``, or of stored ``features`` alone, with the categorizers of this moment or ``roster``."""
        with self._lock:
            roster = roster or self._roster
            roster.users += 1
        try:
            chosen = roster.choose(categorizers, pixels=frames is not None)
            self._room.enter(len(features), wait=wait)
        except BaseException:
            self._leave(roster)
            raise

        def done() -> None:
            self._room.leave(len(features))
            self._leave(roster)

        begun = Pass(
            frames=frames,
            features=features,
            encoder=self._extractors[0],
            given=self._given,
            categorizers=chosen,
            done=done,
        )
        begun.begin(
            [lane for lane in self._extractors if any(name not in each for name in lane.gives for each in features)]
            if frames is not None
            else ()
        )
        return begun.future

    def _leave(self, roster: Roster) -> None:
        """Note that a content is done with ``roster``; earlier ones that nobody uses any more are closed."""
        with self._lock:
            roster.users -= 1
            free = [lanes for old, lanes in self._retired if not old.users]
            if free:
                self._retired = [each for each in self._retired if each[0].users]
        for lanes in free:
            self._maker.retire(lanes)

    def _build_categorizers(
        self, vocabularies: Sequence[Vocabulary], known: Mapping[tuple[str, str], Lane]
    ) -> list[Lane]:
        def reuse(plugin: Plugin, item: Categorizer) -> Lane | None:
            lane = known.get((plugin.name, item.id))
            if lane is None or not isinstance(item.vocabulary, Vocabulary):
                return None
            return lane if lane.built_from == (item.revision, item.vocabulary.revision) else None

        return build_categorizers(self._plugins, vocabularies, self._maker.make, reuse)
