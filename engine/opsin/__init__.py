"""Opsin: self-hosted picture understanding. It tags images and finds them again by what they show.

``opsin.open(path)`` opens a library; the names below are also all that a plugin needs.
"""

from __future__ import annotations

from importlib import import_module

from opsin.version import VERSION

TYPE_CHECKING = False  # typing's own takes longer to load than all that comes before Ctrl-C is caught
if TYPE_CHECKING:
    from typing import Any

    from opsin import errors, library
    from opsin.library import (
        Library,
        analyse,
        back_up,
        better_encoder,
        check_vocabulary,
        disputed_words,
        encoders,
        examine,
        examine_plugins,
        init,
        install_encoder,
        keys,
        measure_encoder,
        new_plugin,
        open,
        plugins,
        restore,
        show_plugin,
    )
    from opsin.model import Declined, Label, Match, Matches, Report, Tag, Vocabulary
    from opsin.plugin import (
        Categorizer,
        Compiled,
        Context,
        Encoder,
        EncoderCard,
        Extractor,
        Feature,
        Frame,
        Frames,
        Item,
        Manifest,
        NoConfig,
        Requirement,
        TextEncoder,
        View,
        apply_view,
        hookimpl,
        product,
        read_vocabulary,
    )

__version__ = VERSION

__all__ = [
    "Categorizer",
    "Compiled",
    "Context",
    "Declined",
    "Encoder",
    "EncoderCard",
    "Extractor",
    "Feature",
    "Frame",
    "Frames",
    "Item",
    "Label",
    "Library",
    "Manifest",
    "Match",
    "Matches",
    "NoConfig",
    "Report",
    "Requirement",
    "Tag",
    "TextEncoder",
    "View",
    "Vocabulary",
    "analyse",
    "apply_view",
    "back_up",
    "better_encoder",
    "check_vocabulary",
    "disputed_words",
    "encoders",
    "errors",
    "examine",
    "examine_plugins",
    "hookimpl",
    "init",
    "install_encoder",
    "keys",
    "library",
    "measure_encoder",
    "new_plugin",
    "open",
    "plugins",
    "product",
    "read_vocabulary",
    "restore",
    "show_plugin",
]

_LIBRARY = frozenset(
    {
        "Library",
        "analyse",
        "back_up",
        "better_encoder",
        "check_vocabulary",
        "disputed_words",
        "encoders",
        "examine",
        "examine_plugins",
        "init",
        "install_encoder",
        "keys",
        "measure_encoder",
        "new_plugin",
        "open",
        "plugins",
        "restore",
        "show_plugin",
    }
)
_MODEL = frozenset({"Declined", "Label", "Match", "Matches", "Report", "Tag", "Vocabulary"})
_MODULES = frozenset({"errors", "library", "model", "plugin"})


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for, and nothing before: until then Ctrl-C is not caught (``opsin.cli``)."""
    if name in _MODULES:
        return import_module(f"opsin.{name}")
    if name not in __all__:
        msg = f"module 'opsin' has no attribute {name!r}"
        raise AttributeError(msg)
    place = "library" if name in _LIBRARY else "model" if name in _MODEL else "plugin"
    return getattr(import_module(f"opsin.{place}"), name)
