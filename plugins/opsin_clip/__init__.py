"""The plugin open_clip: any model of open_clip 3.x as Opsin's encoder. Importing this loads no model library."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsin import Encoder, EncoderCard, Manifest, Requirement, hookimpl


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings under ``[plugins.open_clip]``.

    ``model_configs``: JSON files, or folders of them, that describe architectures open_clip does not ship (its own
    format; the file's name is the model's name).
    """

    model_configs: tuple[str, ...] = ()


@hookimpl
def opsin_manifest() -> Manifest:
    """Say who this plugin is."""
    return Manifest(
        name="open_clip",
        summary="Encoders of open_clip: CLIP, SigLIP and their relatives, from the hub's cache or a local checkpoint.",
        config=Config,
        requires=(Requirement("open_clip", "open-clip-torch"), Requirement("huggingface_hub", "huggingface_hub")),
    )


@hookimpl
def opsin_encoders() -> Sequence[EncoderCard]:
    """Return the cards of the recommended models; others can be named all the same."""
    from opsin_clip.cards import cards

    return cards()


@hookimpl
def opsin_encoder(name: str, config: Config) -> Encoder | None:
    """Return the encoder ``open_clip:...``, not yet loaded."""
    from opsin_clip.names import FAMILY, parse

    if name != FAMILY and not name.startswith(f"{FAMILY}:"):
        return None
    from opsin_clip.encoder import OpenClipEncoder

    return OpenClipEncoder(parse(name), config.model_configs)


@hookimpl
def opsin_encoder_install(name: str, config: Config) -> bool | None:
    """Fetch the weights and the tokenizer of ``open_clip:...`` from the hub."""
    from opsin_clip.names import FAMILY, parse

    if name != FAMILY and not name.startswith(f"{FAMILY}:"):
        return None
    from opsin_clip.hub import install

    install(parse(name), config.model_configs)
    return True
