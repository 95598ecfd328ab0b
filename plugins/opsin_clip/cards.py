"""The models that Opsin recommends: size, licence of the weights, languages, and whether they are on this machine."""

from __future__ import annotations

import msgspec

from opsin import EncoderCard
from opsin_clip.cache import WEIGHTS, cached
from opsin_clip.names import DEFAULT_MODEL, DEFAULT_TAG, FAMILY

ENGLISH = ("en",)
MANY = ("mul",)  # ISO 639-2's code for multiple languages


class _Model(msgspec.Struct, frozen=True):
    """``size``: bytes of the float32 weights. ``repository``: where open_clip 3.x fetches them on the hub."""

    model: str
    tag: str
    summary: str
    dim: int
    size: int
    repository: str
    licence: str = "MIT"
    commercial: bool = True
    languages: tuple[str, ...] = ENGLISH
    licence_page: str = ""


_AMLR = "Apple Machine Learning Research Model License (research only)"
_AMLR_PAGE = "https://github.com/apple/ml-mobileclip/blob/main/LICENSE_MODELS"
_MODELS = (
    _Model(
        model="ViT-B-32",
        tag="datacomp_xl_s13b_b90k",
        summary="CLIP on DataComp-1B; the fastest of its size, good for photos of all kinds.",
        dim=512,
        size=605_109_252,
        repository="laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
    ),
    _Model(
        model="ViT-B-32-256",
        tag="datacomp_s34b_b86k",
        summary="CLIP on DataComp-1B, trained longer and on larger pictures; a little slower, better.",
        dim=512,
        size=605_155_332,
        repository="laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
    ),
    _Model(
        model="ViT-B-32",
        tag="laion2b_s34b_b79k",
        summary="CLIP on LAION-2B, the widest used of its kind.",
        dim=512,
        size=605_109_252,
        repository="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    _Model(
        model="ViT-B-16",
        tag="datacomp_xl_s13b_b90k",
        summary="CLIP on DataComp-1B with smaller patches: four times the work of ViT-B-32, sees more detail.",
        dim=512,
        size=598_482_948,
        repository="laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
    ),
    _Model(
        model="ViT-L-14",
        tag="datacomp_xl_s13b_b90k",
        summary="CLIP on DataComp-1B, large: for a GPU.",
        dim=768,
        size=1_710_466_052,
        repository="laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    ),
    _Model(
        model="ViT-B-16-SigLIP2",
        tag="webli",
        summary="SigLIP 2 on WebLI: understands many languages, a text tower of 1.1 GB.",
        dim=768,
        size=1_500_751_880,
        repository="timm/ViT-B-16-SigLIP2",
        licence="Apache-2.0",
        languages=MANY,
    ),
    _Model(
        model="MobileCLIP2-S0",
        tag="dfndr2b",
        summary="MobileCLIP 2: small and accurate, for research only.",
        dim=512,
        size=299_543_956,
        repository="timm/MobileCLIP2-S0-OpenCLIP",
        licence=_AMLR,
        commercial=False,
        licence_page=_AMLR_PAGE,
    ),
)


def cards() -> list[EncoderCard]:
    """Return a card for each model of the list, the default first."""
    return [_card(model) for model in _MODELS]


def languages(name: str) -> tuple[str, ...]:
    """Return the languages of the encoder ``name``; English where nobody said more."""
    return next((model.languages for model in _MODELS if _name(model) == name), ENGLISH)


def _name(model: _Model) -> str:
    return f"{FAMILY}:{model.model}/{model.tag}"


def _card(model: _Model) -> EncoderCard:
    return EncoderCard(
        name=_name(model),
        summary=model.summary,
        dim=model.dim,
        size=model.size,
        licence=model.licence,
        licence_url=model.licence_page or f"https://huggingface.co/{model.repository}",
        commercial=model.commercial,
        languages=model.languages,
        installed=cached(model.repository, *WEIGHTS) is not None,
        install=f"opsin encoders install {_name(model)}",
        default=(model.model, model.tag) == (DEFAULT_MODEL, DEFAULT_TAG),
    )
