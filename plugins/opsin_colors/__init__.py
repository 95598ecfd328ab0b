"""The light entry module of ``colors``: says what the plugin is, and loads numpy and coloraide only when used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from opsin import Categorizer, Extractor, Manifest, Requirement, hookimpl


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a colour scores 0.5.

    ``share`` is the part of the picture, 0..1, that a colour must cover. ``chroma`` is the OKLab chroma (0 is grey,
    0.26 is sRGB's strongest red) that no noticeable part of a black-and-white picture exceeds.
    """

    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    chroma: Annotated[float, msgspec.Meta(gt=0)] = 0.02


@hookimpl
def opsin_manifest() -> Manifest:
    """Say what this plugin is."""
    return Manifest(
        name="colors",
        summary="Finds the colours that make up a picture, and names them",
        config=Config,
        requires=(Requirement(module="coloraide", install="coloraide"),),
    )


@hookimpl
def opsin_extractors() -> Sequence[Extractor]:
    """Declare the extractor of ``palette``."""
    from opsin_colors.palette import PaletteExtractor

    return [PaletteExtractor()]


@hookimpl
def opsin_categorizers(config: Config) -> Sequence[Categorizer]:
    """Declare the categorizer that names the colours of a palette."""
    from opsin_colors.categorizer import Colors

    return [Colors(config)]
