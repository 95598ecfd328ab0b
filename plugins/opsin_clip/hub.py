"""What the Hugging Face cache of this machine holds, found without the network; and the one download, on request."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opsin.errors import PluginUnavailable
from opsin_clip.names import FAMILY, Source

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds to find out whether the hub can be reached
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def cached(repository: str, *names: str) -> Path | None:
    """Return the first file of ``names`` that this machine's hub cache holds, else None. Never asks the network."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


def weights_names(filename: str) -> tuple[str, ...]:
    """Return the names under which weights called ``filename`` are looked for, as open_clip 3.x does."""
    if not filename:
        return WEIGHTS
    stem, dot, ending = filename.rpartition(".")
    return (f"{stem}{dot}safetensors", filename) if ending in {"bin", "pth"} else (filename,)


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Make the hub's client answer from its cache only, as with HF_HUB_OFFLINE=1, for everything in this block."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def require_hub(source: Source) -> None:
    """Check that the hub answers at all: open_clip would try again and again for a minute.

    :raises PluginUnavailable: where it does not, within seconds.
    """
    import httpx
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        httpx.head(constants.ENDPOINT, timeout=PATIENCE)
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        msg = (
            f"{source.name} cannot be downloaded: {constants.ENDPOINT} does not answer ({error}). Check the connection, or "
            f"bring the weights from another machine and name them: {FAMILY}:MODEL@/path/to/checkpoint"
        )
        raise PluginUnavailable(msg) from error


def install(source: Source, extra: tuple[str, ...]) -> None:
    """Download the weights and the tokenizer of ``source`` into the hub's cache; what is there is not fetched again.

    Both are read once, so that weights which do not fit the model are noticed now.

    :raises PluginUnavailable: where the hub cannot be reached or has no such model.
    """
    if source.kind in {"file", "folder"}:
        return
    require_hub(source)
    from opsin_clip.torch_models import open_clip

    clip: Any = open_clip(extra)
    name = f"hf-hub:{source.detail}" if source.kind == "hub" else source.model
    tag = source.detail if source.kind == "tag" else None
    try:
        clip.create_model(name, tag)
        clip.get_tokenizer(name)
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"{source.name} could not be downloaded: {error}"
        raise PluginUnavailable(msg) from error
