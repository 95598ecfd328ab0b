"""Opsin: self-hosted picture understanding. It tags images and finds them again by what they show.

``opsin.open(path)`` opens a library; the names below are also all that a plugin needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsin import errors
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
    read_vocabulary,
)
from opsin.version import VERSION

if TYPE_CHECKING:
    from opsin.library import Library, init, open, restore

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
    "apply_view",
    "errors",
    "hookimpl",
    "init",
    "open",
    "read_vocabulary",
    "restore",
]

_LIBRARY = frozenset({"Library", "init", "open", "restore"})


def __getattr__(name: str) -> Any:
    """Load the library, with its database and index, only when it is asked for."""
    if name in _LIBRARY:
        from opsin import library

        return getattr(library, name)
    msg = f"module 'opsin' has no attribute {name!r}"
    raise AttributeError(msg)
