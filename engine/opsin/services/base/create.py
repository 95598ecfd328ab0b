"""Making a new library: its folder, its settings, its vocabularies and the choice of its encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from opsin.catalogue import Catalogue, set_meta
from opsin.catalogue.durable import sync_folder
from opsin.catalogue.ids import now
from opsin.errors import LibraryError, reason_of
from opsin.host import discover, encoder_cards, name_encoder, require_settings
from opsin.plugin import EncoderCard
from opsin.plugin.vocabulary import read_vocabulary
from opsin.services.base import vocabulary
from opsin.services.base.keys import Keys
from opsin.services.base.layout import PRIVATE, Layout
from opsin.settings import Settings, load_settings

FALLBACK = "starter"
"""The encoder that is always there."""

_SETTINGS = """\
# The settings of this Opsin library. Every key, with its default: docs/settings.md

[tags]
# threshold = 0.5
"""


def create(root: Path, *, encoder: str | None = None, vocabularies: Sequence[str] = ("everyday",)) -> str:
    """Make a library at ``root`` and return the name of its encoder.

    Without ``encoder`` it is the best one whose weights are on this machine; nothing is fetched. A folder that is made for
    it may be entered by its owner alone; one that is there keeps its mode.

    :raises LibraryError: where something is in the way.
    :raises UnknownName: for an encoder or a vocabulary that nobody offers.
    :raises PluginUnavailable: where the encoder's weights are not here, naming the command that fetches them.
    :raises SettingError: where what is set there already, for Opsin or for a plugin, cannot be used.
    """
    layout = Layout(root)
    if layout.catalogue.exists():
        msg = (
            f"there is a library at {root} already: open it (opsin.open, or any other command), or name another folder"
        )
        raise LibraryError(msg)
    if root.exists() and not root.is_dir():
        msg = f"{root} is a file: name a folder"
        raise LibraryError(msg)
    if root.exists():
        layout.require_own()
    if strangers := _strangers(layout):
        names = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        msg = (
            f"{root} holds other files already ({names}): a library wants a folder of its own, e.g. "
            f"`opsin init --library {root / 'opsin-library'}`; pictures stay where they are, `opsin add {root}` adds them"
        )
        raise LibraryError(msg)
    settings = load_settings(layout.settings)
    require_settings(discover(settings))
    chosen = choose(encoder, settings)
    for name in vocabularies:
        _add_vocabulary(layout.vocabularies, name, settings, write=False)
    try:
        place = root.absolute()
        made = [folder for folder in place.parents if not folder.exists()]
        root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        layout.blobs.mkdir(exist_ok=True)
        layout.vocabularies.mkdir(exist_ok=True)
        _write_settings(layout.settings)
        for name in vocabularies:
            _add_vocabulary(layout.vocabularies, name, settings)
        # The catalogue comes last: a library without one is none, so that after a crash this can be done again.
        unfinished = layout.catalogue.with_suffix(".new")
        for suffix in ("", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
        catalogue = Catalogue(unfinished)
        with catalogue.write() as connection:
            set_meta(connection, "encoder", chosen)
            set_meta(connection, "created_at", now())
        catalogue.close()
        Keys(layout).make_admin()
        unfinished.replace(layout.catalogue)
        for folder in (place, place.parent, *(folder.parent for folder in made)):
            sync_folder(folder)
    except OSError as error:
        msg = f"cannot make a library at {root}: {reason_of(error)}"
        raise LibraryError(msg) from error
    return chosen


def _strangers(layout: Layout) -> list[str]:
    """Return what is in the folder and is neither hidden nor left of an attempt to make a library there, by name."""
    parts = (layout.settings, layout.blobs, layout.vocabularies, layout.keys, layout.admin_key)
    own = {"owner", "owner.lock", "lost+found", *(part.name for part in parts)}
    unfinished = layout.catalogue.with_suffix(".new").name
    try:
        names = sorted(path.name for path in layout.root.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        msg = f"cannot make a library at {layout.root}: {reason_of(error)}"
        raise LibraryError(msg) from error
    return [name for name in names if name not in own and not name.startswith((".", unfinished))]


def _write_settings(path: Path) -> None:
    if path.exists():
        return
    with path.open("x", encoding="utf-8") as file:
        file.write(_SETTINGS)
        file.flush()
        os.fsync(file.fileno())


def _add_vocabulary(folder: Path, name: str, settings: Settings, *, write: bool = True) -> None:
    """Add a vocabulary, unless there is one of its name: made by an attempt that was cut off, or by a person.

    Without ``write`` it is only found out whether that can be done.
    """
    own = name.endswith(".toml") and Path(name).is_file()
    called = read_vocabulary(Path(name)).name if own else name
    if called not in {known.name for known in vocabulary.load_all(folder)}:
        vocabulary.add(folder, name, settings, write=write)


def choose(encoder: str | None, settings: Settings) -> str:
    """Return the name of the encoder that ``opsin init`` takes.

    :raises UnknownName: naming the encoders that there are.
    :raises PluginUnavailable: where its weights are not here, naming the command that fetches them.
    """
    if encoder is None:
        cards = encoder_cards(settings)
        encoder = next((card.name for card in cards if card.default and card.installed), FALLBACK)
    return name_encoder(settings, encoder)


def better_than(chosen: str, cards: Sequence[EncoderCard]) -> EncoderCard | None:
    """Return the default encoder where it is not the chosen one and not installed, else None."""
    return next((card for card in cards if card.default and not card.installed and card.name != chosen), None)
