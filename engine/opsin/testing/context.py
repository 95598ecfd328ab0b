"""A context to load objects with in tests, without a host."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opsin.plugin import NoConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsin.plugin import Compiled, TextEncoder


class FakeContext:
    """An ``opsin.Context``: ``cache`` is a folder of yours, e.g. pytest's ``tmp_path``.

    ``compile`` runs the network with plain torch in float32, which is slow, exact and the same everywhere.
    """

    def __init__(
        self, cache: Path, *, config: Any = None, encoder: TextEncoder | None = None, threads: int = 1
    ) -> None:
        self.cache = cache
        self.config = NoConfig() if config is None else config
        self.encoder = encoder
        self.threads = threads
        self.log = logging.getLogger("opsin.testing")

    def compile(
        self,
        build: Callable[[], Any],
        example: tuple[NDArray[Any], ...],  # noqa: ARG002 - the contract's signature
        *,
        key: str,  # noqa: ARG002
        precision: Literal["auto", "f32"] = "auto",  # noqa: ARG002
    ) -> Compiled:
        """Return the network as ``build`` makes it; ``example``, ``key`` and ``precision`` are not needed."""
        return _PlainTorch(build())


class _PlainTorch:
    runtime = "torch cpu f32"

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        import torch

        with torch.inference_mode():
            answer = self._network(*(torch.from_numpy(each) for each in inputs))
        outputs = answer if isinstance(answer, (tuple, list)) else (answer,)
        return tuple(each.float().numpy() for each in outputs)
