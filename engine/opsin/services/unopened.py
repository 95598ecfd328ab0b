"""The part of the facade that needs no open library: what is on this machine, and what is done to a library from outside.

``path`` is a library's folder, else the one that ``OPSIN_HOME`` names, else ./opsin-library; where none is there, the
defaults are meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from opsin.host import encoder_cards
from opsin.plugin import EncoderCard
from opsin.services import backup, checked, doctor, speed
from opsin.services import plugins as plugins_service
from opsin.services.layout import Layout
from opsin.settings import Settings, default_library, load_settings

Place = str | Path | None


def encoders(path: Place = None) -> Sequence[EncoderCard]:
    """Return the encoders that plugins offer, with their speed where it was measured on this machine."""
    known = speed.speeds()
    return [
        card
        if (here := known.get(card.name)) is None
        else msgspec.structs.replace(card, speed=here.images_per_second, measured_on=here.machine)
        for card in encoder_cards(_settings(path))
    ]


def install_encoder(name: str, path: Place = None) -> bool:
    """Fetch the weights of an encoder to this machine; return False where they are here already.

    :raises UnknownName: where no plugin can fetch it.
    :raises PluginError: where the plugin fails, e.g. without a network.
    """
    return plugins_service.install_encoder(_root(path), name)


def measure_encoder(name: str, path: Place = None) -> speed.Speed:
    """Measure how many pictures a second an encoder takes here, remember it and return it.

    :raises UnknownName: where no plugin has it.
    :raises PluginError: where it cannot be loaded, e.g. because its weights are not here.
    """
    return speed.measure(_settings(path), name)


def plugins(path: Place = None) -> Sequence[plugins_service.PluginView]:
    """Return every plugin, sorted by name, with its settings in force; nothing is loaded."""
    return plugins_service.list_plugins(_root(path))


def show_plugin(name: str, path: Place = None) -> plugins_service.PluginView:
    """Return one plugin.

    :raises UnknownName: naming the plugins that there are.
    """
    return plugins_service.show_plugin(_root(path), name)


def examine_plugins(path: Place = None) -> Sequence[plugins_service.PluginView]:
    """Load every object that the library uses, or a new one would use, and return how each plugin is."""
    return plugins_service.examine_plugins(_root(path))


def examine(path: Place = None, *, quick: bool = False) -> Iterator[doctor.Finding]:
    """Look a library over that may be too damaged to be opened, and yield what is found; nothing is changed."""
    return doctor.examine_library(_root(path), quick=quick)


def back_up(target: str | Path, path: Place = None) -> Iterator[backup.Step]:
    """Copy a library as :meth:`opsin.Library.back_up` does, without opening it: so also before an upgrade.

    :raises LibraryMissing: where there is none.
    """
    return backup.back_up(_root(path), checked.path(target, "target"))


def _root(path: Place) -> Path:
    return default_library() if path is None else checked.path(path, "the library's folder")


def _settings(path: Place) -> Settings:
    return load_settings(Layout(_root(path)).settings)
