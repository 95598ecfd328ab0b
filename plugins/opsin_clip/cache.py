"""What the Hugging Face cache of this machine holds, found without the network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

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
