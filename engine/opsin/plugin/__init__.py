"""The contract that a plugin author sees. Importing it loads neither numpy nor any model library."""

from opsin.plugin.hookspecs import hookimpl
from opsin.plugin.manifest import API_VERSION, EncoderCard, Manifest, NoConfig, Requirement
from opsin.plugin.objects import (
    Categorizer,
    Compiled,
    Context,
    Encoder,
    Extractor,
    Feature,
    Frame,
    Frames,
    Item,
    TextEncoder,
)
from opsin.plugin.product import product
from opsin.plugin.view import View, apply_view
from opsin.plugin.vocabulary import read_vocabulary

__all__ = [
    "API_VERSION",
    "Categorizer",
    "Compiled",
    "Context",
    "Encoder",
    "EncoderCard",
    "Extractor",
    "Feature",
    "Frame",
    "Frames",
    "Item",
    "Manifest",
    "NoConfig",
    "Requirement",
    "TextEncoder",
    "View",
    "apply_view",
    "hookimpl",
    "product",
    "read_vocabulary",
]
