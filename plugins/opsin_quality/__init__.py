"""The light entry module of ``quality``: says what the plugin is, and loads numpy only when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from opsin import Categorizer, Manifest, hookimpl

Positive = Annotated[float, msgspec.Meta(gt=0)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measured value at which each label scores 0.5; units stand beside each."""

    blurred: Positive = 100.0  # variance of the Laplacian at 256 px, below which a picture is blurred
    underexposed: Positive = 64.0  # luma 0..255 of the highlights, below which a picture is underexposed
    overexposed: Positive = 0.5  # share 0..1 of burnt-out pixels in the centre, above which it is overexposed
    low_resolution: Positive = 256.0  # pixels of the shorter side, below which the resolution is low
    blank: Positive = 4.0  # standard deviation of luma 0..255, below which a picture is blank


@hookimpl
def opsin_manifest() -> Manifest:
    """Say what this plugin is."""
    return Manifest(name="quality", summary="Finds blurred, badly exposed, small and blank pictures", config=Config)


@hookimpl
def opsin_categorizers(config: Config) -> Sequence[Categorizer]:
    """Declare the one categorizer."""
    from opsin_quality.categorizer import Quality

    return [Quality(config)]
