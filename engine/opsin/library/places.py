"""The facade where no library is open: opening one, what is on this machine, and what is done to a library from outside.

``path`` is a library's folder, else the one that ``OPSIN_HOME`` names, else ./opsin-library; where none is there, the
defaults are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsin.host import encoder_cards
from opsin.library.opened import Library
from opsin.plugin import EncoderCard
from opsin.services.assets import once
from opsin.services.base import checked, vocabulary
from opsin.services.base.create import better_than, create
from opsin.services.base.diagnosis import Finding
from opsin.services.base.keys import Keys
from opsin.services.base.layout import Layout
from opsin.services.keeping import backup, doctor, plugin_template, speed
from opsin.services.keeping import plugins as plugins_service
from opsin.services.looking.given import Picture
from opsin.settings import Settings, default_library, load_settings

if TYPE_CHECKING:
    from opsin.intake.sources import LeftOut

Place = str | Path | None


def init(path: Place = None, *, encoder: str | None = None, vocabularies: Sequence[str] = ("everyday",)) -> Library:
    """Make a library and open it.

    ``encoder`` is a name that ``opsin encoders`` lists; without it, the best one whose weights are here.

    :raises LibraryError: where there is a library already, or the folder cannot be written.
    :raises UnknownName: for an encoder or vocabulary that there is not.
    """
    root = _root(path)
    create(root, encoder=encoder, vocabularies=vocabularies)
    return Library(root)


def open(
    path: Place = None, *, readonly: bool = False, encoder: str | None = None, beside: Library | None = None
) -> Library:
    """Open the library at ``path``, else at ``OPSIN_HOME``, else at ./opsin-library.

    One process at a time may open it for writing; any number may open it with ``readonly=True`` beside that one.
    ``beside`` is another library of this process: networks that both need are in memory once, and nothing else is shared.

    :raises LibraryMissing: where there is none.
    :raises LibraryBusy: where another process has it open for writing.
    :raises EncoderMismatch: where ``encoder`` is given and is not the one that it was made with.
    """
    return Library(_root(path), readonly=readonly, encoder=encoder, beside=beside)


def restore(
    source: str | Path, path: Place = None, *, progress: Callable[[backup.Step], None] | None = None
) -> Library:
    """Make a library from a backup, comparing every file with the backup's list, and open it.

    ``progress`` is told how far it is.

    :raises UsageError: where ``source`` is none, or there is something at ``path``.
    :raises Damaged: where a file of the backup is missing or has other bytes; nothing is left behind then.
    """
    root = _root(path)
    backup.restore(checked.path(source, "backup"), root, progress)
    return Library(root)


def analyse(
    *pictures: Picture,
    path: Place = None,
    encoder: str | None = None,
    auto_tag: float | None = None,
    categorizers: Sequence[str] = (),
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
) -> Iterator[once.Told]:
    """Yield what the plugins say of each picture, in order, without storing anything.

    It is done as in the library at ``path``, else at ``OPSIN_HOME``, else at ./opsin-library; where nobody named one and
    none is there, with the defaults and ``encoder``. The rest as for :meth:`Library.analyse`.

    :raises LibraryMissing: where ``path`` is given and there is none.
    :raises EncoderMismatch: where ``encoder`` is given and is not the one that the library was made with.
    """
    root = None if path is None else _root(path)
    with (
        once.place_to_look(root, encoder) as (place, readonly),
        Library(place, readonly=readonly, encoder=encoder) as library,
    ):
        yield from library.analyse(
            *pictures, auto_tag=auto_tag, categorizers=categorizers, listed=listed, left_out=left_out
        )


def encoders(path: Place = None) -> Sequence[EncoderCard]:
    """Return the encoders that plugins offer, with their speed where it was measured on this machine."""
    known = speed.speeds()
    return [
        card
        if (here := known.get(card.name)) is None
        else msgspec.structs.replace(card, speed=here.images_per_second, measured_on=here.machine)
        for card in encoder_cards(_settings(path))
    ]


def better_encoder(name: str, path: Place = None) -> EncoderCard | None:
    """Return the encoder that Opsin would rather have used than ``name``, if its weights were here; None if there is none."""
    return better_than(name, encoder_cards(_settings(path)))


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


def examine(path: Place = None, *, quick: bool = False) -> Iterator[Finding]:
    """Look a library over that may be too damaged to be opened, and yield what is found; nothing is changed."""
    return doctor.examine_library(_root(path), quick=quick)


def back_up(
    target: str | Path, path: Place = None, *, progress: Callable[[backup.Step], None] | None = None
) -> backup.BackedUp:
    """Copy a library as :meth:`opsin.Library.back_up` does, without opening it: so also before an upgrade.

    :raises LibraryMissing: where there is none.
    """
    return backup.back_up(_root(path), checked.path(target, "target"), progress)


def check_vocabulary(file: str | Path) -> Sequence[str]:
    """Return what is wrong with a vocabulary's file (TOML), with its lines; empty where all is well."""
    return vocabulary.check(checked.path(file, "a vocabulary's file"))


def disputed_words(*files: str | Path) -> Sequence[str]:
    """Return which words the vocabularies of these files take for different labels; nothing is broken by that."""
    return vocabulary.disputed([checked.path(file, "a vocabulary's file") for file in files])


def keys(path: Place = None) -> Keys:
    """Return the keys of a library's service, to make, list and revoke them, also while it is in use.

    :raises LibraryMissing: where there is none.
    """
    layout = Layout(_root(path))
    layout.require()
    return Keys(layout)


def new_plugin(name: str, folder: str | Path | None = None) -> plugin_template.Project:
    """Write a complete plugin project into a new folder, ./opsin-NAME if none is named.

    :raises UsageError: for a name that is not lower_snake_case or is taken here, and for a folder that holds something.
    """
    target = Path(plugin_template.project_name(name)) if folder is None else checked.path(folder, "a folder")
    return plugin_template.Project(folder=target, files=tuple(plugin_template.write(name, target)))


def _root(path: Place) -> Path:
    return default_library() if path is None else checked.path(path, "the library's folder")


def _settings(path: Place) -> Settings:
    return load_settings(Layout(_root(path)).settings)
