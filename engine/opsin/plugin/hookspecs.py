"""The whole plugin surface: seven hooks that declare objects and load nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from opsin.model import Vocabulary
    from opsin.plugin.manifest import EncoderCard, Manifest
    from opsin.plugin.objects import Categorizer, Encoder, Extractor

PROJECT = "opsin"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def opsin_manifest() -> Manifest:  # type: ignore[empty-body]
    """Return who this plugin is, what it needs and which settings it takes."""


@hookspec
def opsin_extractors(config: Any) -> Sequence[Extractor]:  # type: ignore[empty-body]
    """Return the feature extractors of this plugin. ``config`` is the plugin's validated settings."""


@hookspec
def opsin_encoders(config: Any) -> Sequence[EncoderCard]:  # type: ignore[empty-body]
    """Return a card for each encoder that this plugin offers, without loading any."""


@hookspec
def opsin_encoder(name: str, config: Any) -> Encoder | None:
    """Return the encoder called ``name`` (a card's name, or the card's name before a colon), else None."""


@hookspec
def opsin_encoder_install(name: str, config: Any) -> bool | None:
    """Fetch the weights of the encoder called ``name`` and return True, or None where it is not this plugin's.

    The only hook that may use the network, because `opsin encoders install` asks for it.
    """


@hookspec
def opsin_categorizers(config: Any, vocabularies: Sequence[Vocabulary]) -> Sequence[Categorizer]:  # type: ignore[empty-body]
    """Return the categorizers of this plugin. ``vocabularies`` are those of the library at hand."""


@hookspec
def opsin_vocabularies(config: Any) -> Sequence[Vocabulary]:  # type: ignore[empty-body]
    """Return the vocabularies that this plugin ships; `opsin init` offers them to a new library."""
