"""The one download from the Hugging Face hub, on request."""

from __future__ import annotations

import logging
from typing import Any

from opsin.errors import PluginUnavailable
from opsin_clip.names import FAMILY, Source

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds to find out whether the hub can be reached


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
