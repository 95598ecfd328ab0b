"""What the host lends to a plugin's object: settings, cache folder, threads, logger, text encoder and the compiler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opsin.cores import available_cores
from opsin.host.torch_repair import watch_torchvision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opsin.host.networks import Networks
    from opsin.plugin import Compiled, TextEncoder
    from opsin.settings import HostSettings


class HostContext:
    """An ``opsin.Context``; it is made in the process in which the object lives."""

    def __init__(
        self,
        *,
        plugin: str,
        config: Any,
        cache: Path,
        settings: HostSettings,
        encoder: TextEncoder | None,
        log: logging.Logger | None = None,
        networks: Networks | None = None,
    ) -> None:
        watch_torchvision()
        self._config = config
        self._cache = cache / plugin
        self._compiled = cache / "compiled"
        self._settings = settings
        self._encoder = encoder
        self._networks = networks
        self._log = log or logging.getLogger(f"opsin.plugins.{plugin}")

    @property
    def config(self) -> Any:
        return self._config

    @property
    def cache(self) -> Path:
        self._cache.mkdir(parents=True, exist_ok=True)
        return self._cache

    @property
    def threads(self) -> int:
        return self._settings.threads or available_cores()

    @property
    def log(self) -> logging.Logger:
        return self._log

    @property
    def encoder(self) -> TextEncoder | None:
        return self._encoder

    def compile(
        self,
        build: Callable[[], Any],
        example: tuple[NDArray[Any], ...],
        *,
        key: str,
        precision: Literal["auto", "f32"] = "auto",
    ) -> Compiled:
        """Make a network runnable on this machine's best runtime, or on the one that the settings force."""
        from opsin.host.runtime import compile_network

        compiled: Compiled = compile_network(
            build,
            example,
            key=key,
            precision="f32" if precision == "f32" else self._settings.precision,
            cache=self._compiled,
            threads=self.threads,
            runtime=self._settings.runtime,
            networks=self._networks,
        )
        return compiled
