"""The light entry module of ``objects``: says what the plugin is, and reads its vocabulary only when it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from opsin import Categorizer, Manifest, hookimpl

Probability = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probability at which a label scores 0.5: ``threshold``, or the label's own in ``thresholds``.

    ``most`` is how many labels are reported for one picture, the best first.
    """

    threshold: Probability = 0.3
    thresholds: Mapping[str, Probability] = {}
    most: Annotated[int, msgspec.Meta(ge=1)] = 32


@hookimpl
def opsin_manifest() -> Manifest:
    """Say what this plugin is."""
    return Manifest(name="objects", summary="Names the 1,000 things and animals of ImageNet-1k", config=Config)


@hookimpl
def opsin_categorizers(config: Config) -> Sequence[Categorizer]:
    """Declare the one categorizer."""
    from opsin_objects.categorizer import Objects

    return [Objects(config)]
