"""Builds the objects of all plugins, gives each its lane, and says which were refused."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from opsin.errors import ContractBroken, PluginError, PluginUnavailable, UnknownName, UsageError
from opsin.host.describe import describe
from opsin.host.discovery import Plugin, cards_of, discover
from opsin.host.lane import Lane
from opsin.host.local import PluginObject, check_object
from opsin.host.recipe import Recipe
from opsin.host.torch_repair import watch_torchvision
from opsin.host.values import ObjectKind
from opsin.model import Vocabulary
from opsin.plugin import Categorizer, Encoder, Extractor, Frames
from opsin.settings import Settings

log = logging.getLogger("opsin.host")

MakeLane = Callable[[Plugin, PluginObject, Recipe], Lane]


def find_encoder(plugins: Sequence[Plugin], name: str) -> tuple[Plugin, Encoder]:
    """Return the encoder called ``name`` and its plugin.

    :raises UnknownName: naming the encoders that there are, or what a plugin has that is near.
    :raises PluginError: where a plugin failed while it was asked, and no other has the encoder.
    """
    found = first_answer(plugins, "opsin_encoder", name, functools.partial(check_object, "encoder"))
    if found is not None:
        return found
    known = ", ".join(card.name for plugin in plugins for card in cards_of(plugin)) or "none"
    unusable = "; ".join(f"{each.name} is {each.state} ({each.reason})" for each in plugins if not each.usable)
    msg = f"there is no encoder {name!r}; there are: {known}" + (
        f". Plugins out of use: {unusable}" if unusable else ""
    )
    raise UnknownName(msg)


def first_answer(
    plugins: Sequence[Plugin], hook: str, name: str, check: Callable[[Any], Any] = lambda answer: answer
) -> tuple[Plugin, Any] | None:
    """Ask the usable plugins about a ``name``, and return the first that answers, with its answer; None where none does.

    One that fails, or whose answer does not stand the ``check``, keeps nobody else from answering.

    :raises PluginError: where none answered and one failed; what one says that knows the name goes before other failures.
    :raises UnknownName: likewise, where one says that there is nothing of that name.
    """
    failures: list[PluginError | UnknownName] = []
    for plugin in plugins:
        if not plugin.usable:
            continue
        try:
            answer = plugin.hook(hook, name=name)
            if answer is not None and answer is not False:
                return plugin, check(answer)
        except (PluginError, UnknownName) as error:
            if isinstance(error, ContractBroken):
                plugin.fail("broken", str(error))
            failures.append(error)
    if failures:
        raise min(failures, key=lambda error: not isinstance(error, PluginUnavailable | UnknownName))
    return None


def name_encoder(settings: Settings, name: str) -> str:
    """Return the full name of the encoder that ``name`` means; a card's name, or a form that its plugin documents.

    :raises UnknownName: naming the encoders that there are.
    :raises PluginUnavailable: where its weights are not on this machine, naming the command that fetches them.
    """
    watch_torchvision()
    plugins = discover(settings)
    plugin, encoder = find_encoder(plugins, name)
    known = encoder.name
    for card in (card for plugin in plugins for card in cards_of(plugin)):
        if card.name in {known, name} and not card.installed:
            msg = f"the weights of {card.name} are not on this machine: `{card.install}` fetches them"
            raise PluginUnavailable(msg)
    try:
        encoder.check()
    except (PluginError, UnknownName):
        raise
    except (Exception, SystemExit) as error:
        msg = f"the plugin {plugin.name!r} failed: check raised {describe(error)}"
        raise PluginError(msg) from error
    return known


def build_extractors(plugins: Sequence[Plugin], taken: set[str], make_lane: MakeLane) -> list[Lane]:
    """Return a lane for each extractor; ``taken`` are the features that others give already."""
    return [make_lane(plugin, item, Recipe("extractor", item.name)) for plugin, item in _extractors(plugins, taken)]


def build_categorizers(
    plugins: Sequence[Plugin],
    vocabularies: Sequence[Vocabulary],
    make_lane: MakeLane,
    reuse: Callable[[Plugin, Categorizer], Lane | None],
) -> list[Lane]:
    """Return a lane for each categorizer; ``reuse`` may answer with the lane of an equal one that exists."""
    return [
        reuse(plugin, item) or make_lane(plugin, item, Recipe("categorizer", item.id, tuple(vocabularies)))
        for plugin, item in _categorizers(plugins, vocabularies)
    ]


def declare(plugins: Sequence[Plugin], vocabularies: Sequence[Vocabulary]) -> dict[str, tuple[str, ...]]:
    """Have every plugin build its objects, and return the categorizers that each has, by its name. Nothing is loaded.

    A plugin that cannot is broken from then on.
    """
    list(_extractors(plugins, {"embedding"}))
    found: dict[str, tuple[str, ...]] = {}
    for plugin, item in _categorizers(plugins, vocabularies):
        found[plugin.name] = (*found.get(plugin.name, ()), item.id)
    return found


def _extractors(plugins: Sequence[Plugin], taken: set[str]) -> Iterator[tuple[Plugin, Extractor]]:
    for plugin, item in _objects(plugins, "extractor", "opsin_extractors", {}):
        if not isinstance(item, Extractor):
            continue
        names = {feature.name for feature in item.features}
        if double := names & taken:
            plugin.fail("broken", f"the extractor {item.name!r} gives {sorted(double)}, which another one gives")
            continue
        taken |= names
        yield plugin, item


def _categorizers(
    plugins: Sequence[Plugin], vocabularies: Sequence[Vocabulary]
) -> Iterator[tuple[Plugin, Categorizer]]:
    taken: set[str] = set()
    for plugin, item in _objects(plugins, "categorizer", "opsin_categorizers", {"vocabularies": tuple(vocabularies)}):
        if not isinstance(item, Categorizer):
            continue
        if item.id in taken:
            plugin.fail("broken", f"there is a categorizer {item.id!r} already")
            continue
        taken.add(item.id)
        yield plugin, item


def _objects(
    plugins: Sequence[Plugin], kind: ObjectKind, hook: str, arguments: dict[str, Any]
) -> list[tuple[Plugin, PluginObject]]:
    found = []
    for plugin in plugins:
        if not plugin.usable:
            continue
        try:
            items = plugin.sequence(hook, **arguments)
        except PluginError as error:
            if not plugin.wrong_settings:  # of these a strict host tells all
                log.warning("%s", error)
            continue
        for item in items:
            try:
                found.append((plugin, check_object(kind, item)))
            except ContractBroken as error:
                plugin.fail("broken", str(error))
                log.warning("the plugin %r: %s", plugin.name, error)
    return found


class Roster:
    """The categorizers' lanes at one time. ``users`` counts the contents under way; the host's lock guards it."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)
        self.users = 0

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """The labels that each categorizer may answer with; those that may answer with any are left out."""
        known = {lane.name: lane.target.vocabulary for lane in self.lanes}
        return {name: vocabulary for name, vocabulary in known.items() if vocabulary is not None}

    def by_id(self, name: str) -> Lane:
        """Return one categorizer's lane.

        :raises UnknownName: naming the categorizers that there are.
        """
        for lane in self.lanes:
            if lane.name == name:
                return lane
        known = ", ".join(lane.name for lane in self.lanes) or "none"
        msg = f"there is no categorizer {name!r}; there are: {known}"
        raise UnknownName(msg)

    def choose(self, names: Collection[str] | None, *, pixels: bool) -> Sequence[Lane]:
        """Return the lanes of ``names`` (None: all); without ``pixels`` only those that need nothing but features.

        :raises UsageError: where one is named that needs the picture, and there is none.
        """
        if names is None:
            return [lane for lane in self.lanes if pixels or not isinstance(lane.needs, Frames)]
        chosen = [self.by_id(name) for name in names]
        for lane in chosen:
            if isinstance(lane.needs, Frames) and not pixels:
                msg = f"the categorizer {lane.name!r} looks at the picture itself; stored features are not enough"
                raise UsageError(msg)
        return chosen
