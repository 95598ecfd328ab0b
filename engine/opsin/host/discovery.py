"""Finds the installed plugins, and says of each whether it can be used and why not."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import metadata
from typing import Any, TypeVar

import msgspec
import pluggy

from opsin.errors import PluginError, PluginUnavailable, SettingError, UnknownName
from opsin.host.describe import describe
from opsin.host.values import PluginState, PluginStatus
from opsin.model import Vocabulary
from opsin.plugin import API_VERSION, EncoderCard, Manifest, hookspecs
from opsin.settings import Settings, placed, refusal

log = logging.getLogger("opsin.host")

GROUP = "opsin"
OWN = "opsin"
_HOST_KEYS = {"enabled": True, "isolate": None}
"""The keys of ``[plugins.<name>]`` that belong to the host and never reach the plugin."""

Declared = TypeVar("Declared")

Extra = tuple[str, object]
"""A plugin that is not installed: its name, and the module (or another object with hooks) or where to import it from."""


class Plugin:
    """One plugin as it was found. ``manifest`` is None, and ``reason`` says why, where it cannot be used.

    ``source`` is what another process imports to find the same hooks: "module" or "module:attribute". ``wrong_settings``
    says what is wrong with its settings, with file, line and key, where that is the reason.
    """

    def __init__(self, name: str, source: str, *, distribution: str = "", version: str = "") -> None:
        self.name = name
        self.source = source
        self.distribution = distribution
        self.version = version
        self.manifest: Manifest | None = None
        self.config: msgspec.Struct | None = None
        self.raw_config: Mapping[str, Any] = {}
        self.isolated = False
        self.state: PluginState = "ready"
        self.reason = ""
        self.wrong_settings = ""
        self._settings = Settings()
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)

    @property
    def usable(self) -> bool:
        return self.config is not None

    def fail(self, state: PluginState, reason: str) -> None:
        """Note why this plugin, or one of its objects, cannot be used."""
        self.state, self.reason = state, reason

    def open(self, module: Any, settings: Settings) -> None:
        """Read the manifest of ``module`` (None: import ``source``), check what it requires and fill its settings."""
        self._settings = settings
        try:
            values = dict(settings.plugins.get(self.name, {}))
            host_keys = {key: values.pop(key, default) for key, default in _HOST_KEYS.items()}
            self._check_host_keys(host_keys)
            if not host_keys["enabled"]:
                self.fail("off", f"switched off: [plugins.{self.name}] enabled = false in opsin.toml")
                return
            self._manager.add_hookspecs(hookspecs)
            self._manager.register(import_source(self.source) if module is None else module, self.name)
            self._manager.check_pending()
            manifest = self.manifest = self._read_manifest()
            isolate = manifest.isolate if host_keys["isolate"] is None else host_keys["isolate"]
            self.isolated = self.distribution != OWN if isolate is None else bool(isolate)
            if missing := _missing(manifest):
                self.fail("unavailable", missing)
                return
            self.raw_config = values
            self.config = self._fill(manifest, values)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin that cannot be imported is a broken plugin, not a crash
            self.fail("broken", describe(error))

    def hook(self, hook: str, /, **arguments: Any) -> Any:
        """Call one hook of this plugin; None where it does not implement it.

        :raises PluginUnavailable: where the hook says that something is missing.
        :raises UnknownName: where it was asked for a ``name`` and says that there is nothing of that name.
        :raises PluginError: where it raises anything else; the plugin is broken from then on.
        """
        if self.config is None:
            msg = f"the plugin {self.name!r} is {self.state}: {self.reason}"
            raise PluginUnavailable(msg)
        try:
            answers = getattr(self._manager.hook, hook)(config=self.config, **arguments)
        except (Exception, SystemExit) as error:
            # It says what is missing, or was misspelt by whoever asked: that is no fault of the plugin.
            if isinstance(error, PluginUnavailable) or (isinstance(error, UnknownName) and "name" in arguments):
                raise
            self.fail("broken", f"{hook} raised {describe(error)}")
            if isinstance(error, SettingError) and (
                key := re.match(rf"plugins\.{re.escape(self.name)}\.(\w+): ", str(error))
            ):
                place = placed(self._settings.source, self._settings.origin, ("plugins", self.name, key[1]))
                self._wrong(f"{place}: {error}")
            msg = f"the plugin {self.name!r} failed: {hook} raised {describe(error)}"
            raise PluginError(msg) from error
        return answers[0] if answers else None

    def sequence(self, hook: str, /, **arguments: Any) -> list[Any]:
        """Call a hook that returns a sequence; an empty list where it is not there.

        :raises PluginError: where the hook raises or returns something else.
        """
        answer = self.hook(hook, **arguments)
        if answer is None:
            return []
        if not isinstance(answer, Sequence) or isinstance(answer, str):
            reason = f"{hook} must return a sequence, not {type(answer).__name__}"
            self.fail("broken", reason)
            msg = f"the plugin {self.name!r} failed: {reason}"
            raise PluginError(msg)
        return list(answer)

    def status(self) -> PluginStatus:
        """Return what is known without any object."""
        return PluginStatus(
            name=self.name,
            state=self.state,
            summary=self.manifest.summary if self.manifest else "",
            distribution=self.distribution,
            version=self.version,
            module=self.source,
            reason=self.reason,
            isolated=self.isolated,
        )

    def _check_host_keys(self, keys: Mapping[str, Any]) -> None:
        for key, value in keys.items():
            if value is not None and not isinstance(value, bool):
                place = placed(self._settings.source, self._settings.origin, ("plugins", self.name, key))
                msg = f"{place}: [plugins.{self.name}].{key} must be true or false, not {value!r}"
                raise self._wrong(msg)

    def _read_manifest(self) -> Manifest:
        answers = self._manager.hook.opsin_manifest()
        manifest = answers[0] if answers else None
        if not isinstance(manifest, Manifest):
            msg = f"opsin_manifest() must return an opsin.Manifest, not {type(manifest).__name__}"
            raise PluginError(msg)
        if not isinstance(manifest.name, str) or (self.name and manifest.name != self.name):
            msg = f"the entry point is called {self.name!r} but Manifest.name is {manifest.name!r}: make them equal"
            raise PluginError(msg)
        if manifest.api != API_VERSION:
            msg = (
                f"it was written for version {manifest.api} of the plugin interface and this Opsin has {API_VERSION}: "
                f"install a version of {self.distribution or self.name!r} that fits"
            )
            raise PluginError(msg)
        if not (isinstance(manifest.config, type) and issubclass(manifest.config, msgspec.Struct)):
            msg = f"Manifest.config must be a msgspec.Struct type, not {manifest.config!r}"
            raise PluginError(msg)
        return manifest

    def _fill(self, manifest: Manifest, values: Mapping[str, Any]) -> msgspec.Struct:
        try:
            return msgspec.convert(values, manifest.config)
        except msgspec.ValidationError as error:
            text, origin = self._settings.source, self._settings.origin
            raise self._wrong(refusal(error, text, origin, within=("plugins", self.name))) from error

    def _wrong(self, reason: str) -> SettingError:
        self.fail("broken", reason)
        self.wrong_settings = reason
        return SettingError(reason)


def import_source(source: str) -> Any:
    """Import "module" or "module:attribute"."""
    name, _, attribute = source.partition(":")
    found: Any = importlib.import_module(name)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


def _missing(manifest: Manifest) -> str:
    """Return how to install what is missing, or an empty string."""
    missing = [each for each in manifest.requires if not _importable(each.module)]
    installs = " ".join(dict.fromkeys(f"'{each.install}'" for each in missing))
    return f"unavailable: pip install {installs}" if missing else ""


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def discover(settings: Settings | None = None, extra: Iterable[Extra] = ()) -> list[Plugin]:
    """Return every plugin, sorted by name: installed ones (entry points ``opsin``), then ``host.extra_plugins``, then ``extra``.

    One that cannot be used is in the list too, with its state and reason. Nothing is loaded.
    """
    settings = settings or Settings()
    found: dict[str, Plugin] = {}

    def add(plugin: Plugin, module: Any = None) -> None:
        if plugin.name in found:
            plugin.fail("broken", f"the name {plugin.name!r} is taken by {found[plugin.name].source}")
            plugin.name = f"{plugin.name} ({plugin.source})"
        else:
            plugin.open(module, settings)
        found[plugin.name] = plugin

    for point in sorted(metadata.entry_points(group=GROUP), key=lambda each: each.name):
        distribution = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        add(Plugin(point.name, point.value, distribution=distribution, version=version))
    modules: list[Extra] = [*((_own_name(each), each) for each in settings.host.extra_plugins), *extra]
    for name, module in modules:
        source = module if isinstance(module, str) else str(getattr(module, "__name__", type(module).__name__))
        distribution = OWN if source.startswith(f"{OWN}.") else ""
        add(Plugin(name, source, distribution=distribution), None if isinstance(module, str) else module)
    return sorted(found.values(), key=lambda each: each.name)


def require_settings(plugins: Iterable[Plugin]) -> None:
    """Check that the settings of every plugin can be used.

    :raises SettingError: naming file, line and key of what cannot.
    """
    if wrong := [plugin.wrong_settings for plugin in plugins if plugin.wrong_settings]:
        msg = f"{'; '.join(wrong)}; mend it, or take the key out"
        raise SettingError(msg)


def unknown_sections(settings: Settings, plugins: Iterable[Plugin]) -> list[str]:
    """Return which ``[plugins.NAME]`` are of no plugin, with file and line: they set nothing."""
    known = [plugin.name for plugin in plugins]
    found = []
    for name in settings.plugins.keys() - set(known):
        near = get_close_matches(name, known, 1)
        meant = f"did you mean [plugins.{near[0]}]?" if near else f"there are {', '.join(known)}"
        place = placed(settings.source, settings.origin, ("plugins", name))
        found.append(f"{place}: [plugins.{name}]: there is no plugin {name!r}; {meant}")
    return sorted(found)


def _own_name(source: str) -> str:
    """Return the name in the manifest of ``source``, or ``source`` itself where it cannot be read."""
    try:
        return str(import_source(source).opsin_manifest().name)
    except (Exception, SystemExit):  # noqa: BLE001 - opening it again under this name reports the reason
        return source


def encoder_cards(settings: Settings, extra: Iterable[Extra] = ()) -> list[EncoderCard]:
    """Return the cards of all encoders that usable plugins offer; a plugin that fails is logged and left out."""
    return [card for plugin in discover(settings, extra) for card in cards_of(plugin)]


def cards_of(plugin: Plugin) -> list[EncoderCard]:
    """Return the encoder cards of one plugin; none where it cannot be used or fails."""
    return _declared(plugin, "opsin_encoders", EncoderCard)


def shipped_vocabularies(settings: Settings, extra: Iterable[Extra] = ()) -> list[Vocabulary]:
    """Return the vocabularies that usable plugins ship; a plugin that fails is logged and left out."""
    return [
        vocabulary
        for plugin in discover(settings, extra)
        for vocabulary in _declared(plugin, "opsin_vocabularies", Vocabulary)
    ]


def _declared(plugin: Plugin, hook: str, kind: type[Declared]) -> list[Declared]:
    if not plugin.usable:
        return []
    try:
        answers = plugin.sequence(hook)
    except PluginError as error:
        log.warning("%s", error)
        return []
    if wrong := [each for each in answers if not isinstance(each, kind)]:
        plugin.fail("broken", f"{hook} must return opsin.{kind.__name__} objects, not {type(wrong[0]).__name__}")
        log.warning("the plugin %r: %s", plugin.name, plugin.reason)
    return [each for each in answers if isinstance(each, kind)]
