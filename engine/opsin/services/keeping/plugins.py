"""What is known of the plugins: what they offer, how their objects are, and what to do where one cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.catalogue import Catalogue, contents
from opsin.errors import LibraryError, PluginError, SettingError, UnknownName
from opsin.host import Host, ObjectStatus, Plugin, PluginStatus, declare, discover, encoder_cards, first_answer
from opsin.host.torch_repair import watch_torchvision
from opsin.model import Vocabulary
from opsin.services.base import vocabulary
from opsin.services.base.create import choose
from opsin.services.base.layout import Layout
from opsin.services.base.workspace import Workspace
from opsin.services.keeping.speed import made_picture
from opsin.services.looking import facts
from opsin.settings import Settings, cache_folder, load_settings

_FAILING = "its author wants to know what is said; the others work without it"


class PluginView(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin. ``settings`` are those in force; ``advice`` says what to do, "" where nothing is to be done.

    ``failed_reports``: on how many of the library's pictures its categorizers failed, so that their reports are missing.
    """

    name: str
    state: str
    summary: str
    distribution: str
    version: str
    module: str
    reason: str
    isolated: bool
    requires: tuple[str, ...]
    settings: Mapping[str, Any]
    encoders: tuple[str, ...]
    vocabularies: tuple[str, ...]
    objects: tuple[ObjectStatus, ...]
    last_error: str
    failed_reports: int
    advice: str

    @property
    def sound(self) -> bool:
        """Whether it works, or is switched off on purpose."""
        return not self.advice or (self.state == "off" and not self.objects)


def list_plugins(root: Path) -> list[PluginView]:
    """Return every plugin, sorted by name, with the settings of the library at ``root`` if there is one.

    Their objects are built, as a library does, and none is loaded.
    """
    layout = Layout(root)
    plugins = discover(load_settings(layout.settings))
    declared, failed = declare(plugins, _vocabularies(layout)), _failed_reports(layout)
    return [
        _view(plugin, plugin.status(), sum(failed.get(name, 0) for name in declared.get(plugin.name, ())))
        for plugin in plugins
    ]


def _vocabularies(layout: Layout) -> Sequence[Vocabulary]:
    """Return the library's vocabularies; none where they cannot be read, which others tell of."""
    try:
        return vocabulary.load_all(layout.vocabularies)
    except SettingError:
        return ()


def _failed_reports(layout: Layout) -> Mapping[str, int]:
    """Return on how many pictures each categorizer failed; on none where the catalogue cannot be read."""
    if not layout.catalogue.is_file():
        return {}
    try:
        catalogue = Catalogue(layout.catalogue, readonly=True)
        try:
            with catalogue.read() as connection:
                return contents.failed_counts(connection)
        finally:
            catalogue.close()
    except LibraryError:
        return {}


def show_plugin(root: Path, name: str) -> PluginView:
    """Return one plugin.

    :raises UnknownName: naming the plugins that there are.
    """
    found = list_plugins(root)
    for plugin in found:
        if plugin.name == name:
            return plugin
    msg = f"there is no plugin {name!r}; there are {', '.join(plugin.name for plugin in found)}"
    raise UnknownName(msg)


def standing(workspace: Workspace) -> list[PluginView]:
    """Return every plugin of an open library, sorted by name, and how its objects are by now. Loads nothing."""
    with workspace.catalogue.read() as connection:
        failed = contents.failed_counts(connection)
    return _views(workspace.host, workspace.settings, failed)


def _views(host: Host, settings: Settings, failed: Mapping[str, int]) -> list[PluginView]:
    found = {plugin.name: plugin for plugin in discover(settings)}
    return [
        _view(found[status.name], status, sum(failed.get(name, 0) for name in _categorizers(status)))
        for status in host.statuses()
        if status.name in found
    ]


def _categorizers(status: PluginStatus) -> list[str]:
    return [item.name for item in status.objects if item.kind == "categorizer"]


def examine_plugins(root: Path) -> list[PluginView]:
    """Try every object that the library at ``root`` uses, or a new one would use, and return how each plugin is.

    :raises UnknownName: where no plugin has the library's encoder.
    """
    settings = load_settings(Layout(root).settings)
    if Layout(root).catalogue.is_file():
        workspace = Workspace(root, readonly=True, lenient=True)
        try:
            return examine(workspace.host, settings, _failed_reports(Layout(root)))
        finally:
            workspace.close()
    host = Host(
        settings,
        cache=cache_folder(),
        encoder=choose(None, settings),
        vocabularies=list(vocabulary.shipped(settings).values()),
    )
    try:
        return examine(host, settings)
    finally:
        host.close()


def examine(host: Host, settings: Settings, failed: Mapping[str, int] = {}) -> list[PluginView]:
    """Load every object of ``host``, have it look at a made picture, and return how each plugin is.

    ``failed``: on how many stored pictures each categorizer failed.
    """
    with suppress(PluginError):  # the encoder's own status says why
        host.start()
    wrong = _tried(host)
    return [
        view
        if view.advice or view.name not in wrong
        else msgspec.structs.replace(view, reason=f"it fails on a made picture: {wrong[view.name]}", advice=_FAILING)
        for view in _views(host, settings, failed)
    ]


def _tried(host: Host) -> dict[str, str]:
    """Return which plugins fail on a made picture, with the reason; not those that only lack what another should give."""
    try:
        analysis = host.submit([made_picture(0)], wait=True).result()
    except PluginError as error:
        return {each.name: str(error) for each in host.statuses() if any(o.kind == "encoder" for o in each.objects)}
    absent = host.features.keys() - analysis.features[0].keys()
    wrong = {given.plugin: f"no {name} comes of it" for name in absent if (given := host.features[name])}
    for name, reason in facts.failed(analysis.reports).items():
        if not host.categorizers[name] & absent:
            wrong.setdefault(host.owners[name], reason)
    return wrong


def _view(plugin: Plugin, status: PluginStatus, failed_reports: int) -> PluginView:
    settings: Mapping[str, Any] = {} if plugin.config is None else msgspec.to_builtins(plugin.config)
    return PluginView(
        name=status.name,
        state=status.state,
        summary=status.summary,
        distribution=status.distribution,
        version=status.version,
        module=status.module,
        reason=status.reason,
        isolated=status.isolated,
        requires=tuple(need.install for need in plugin.manifest.requires) if plugin.manifest else (),
        settings=settings,
        encoders=_names(plugin, "opsin_encoders"),
        vocabularies=_names(plugin, "opsin_vocabularies"),
        objects=status.objects,
        last_error=status.last_error,
        failed_reports=failed_reports,
        advice=advice(status),
    )


def _names(plugin: Plugin, hook: str) -> tuple[str, ...]:
    if not plugin.usable:
        return ()
    try:
        return tuple(each.name for each in plugin.sequence(hook))
    except PluginError:
        return ()


def advice(status: PluginStatus) -> str:
    """Return what to do about a plugin, "" where it works: pure."""
    name = status.name
    if status.state == "off" and not status.objects:
        return f"take `enabled = false` out of [plugins.{name}] in opsin.toml, if it is wanted"
    if status.state == "unavailable":
        return status.reason.removeprefix("unavailable: ")
    if status.state == "broken":
        return f"mend what is said, upgrade {status.distribution or name}, or switch it off: [plugins.{name}] enabled = false"
    ill = [item for item in status.objects if item.state in {"quarantined", "off"}]
    if ill:
        again = "it is tried again by itself" if ill[0].next_revival is not None else "it stays off until a restart"
        return f"{ill[0].name} failed, {again}; its author wants to know: {ill[0].last_error or ill[0].reason}"
    return ""


def install_encoder(root: Path, name: str) -> bool:
    """Fetch the weights of the encoder ``name``; return False where they were here already.

    :raises UnknownName: where no plugin can fetch it.
    :raises PluginError: where the plugin fails, e.g. without a network.
    """
    watch_torchvision()
    settings = load_settings(Layout(root).settings)
    cards = {card.name: card for card in encoder_cards(settings)}
    if name in cards and cards[name].installed:
        return False
    if first_answer(discover(settings), "opsin_encoder_install", name) is not None:
        return True
    msg = f"no plugin can fetch the encoder {name!r}; there are {', '.join(_fetchable(list(cards.values()))) or 'none'}"
    raise UnknownName(msg)


def _fetchable(cards: Sequence[Any]) -> list[str]:
    return [card.name for card in cards if not card.installed]
