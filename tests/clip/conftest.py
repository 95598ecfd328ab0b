"""Fixtures: contexts with the real compiler, and the tiny trained CLIP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import opsin_clip
from opsin import Encoder
from opsin.host.context import HostContext
from opsin.settings import HostSettings

if TYPE_CHECKING:
    from tests.clip import tiny_clip
else:
    import tiny_clip

MakeEncoder = Callable[..., Encoder]
Forget = Callable[[str], None]


@pytest.fixture(scope="module", autouse=True)
def quiet_open_clip() -> Iterator[None]:
    """Keep open_clip, which logs to the root logger, from filling the output; tests elsewhere look at warnings."""
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    yield
    logging.getLogger().setLevel(before)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache folder for all tests here, so that each network is converted once."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def encoders() -> Iterator[dict[tuple[str, str, str], Encoder]]:
    """Return the encoders that are loaded, by name, precision and runtime."""
    loaded: dict[tuple[str, str, str], Encoder] = {}
    yield loaded
    for encoder in loaded.values():
        encoder.close()


@pytest.fixture(scope="session")
def load_encoder(compiled: Path, encoders: dict[tuple[str, str, str], Encoder]) -> MakeEncoder:
    """Return a function that gives the loaded encoder of a name, as the host would load it."""

    def load(name: str, *, precision: str = "f32", runtime: str = "openvino", configs: tuple[str, ...] = ()) -> Encoder:
        key = (name, precision, runtime)
        if key not in encoders:
            config = opsin_clip.Config(model_configs=configs)
            settings = HostSettings(precision=precision, runtime=runtime, threads=2)  # type: ignore[arg-type]
            encoder = opsin_clip.opsin_encoder(name, config)
            assert encoder is not None
            encoder.load(
                HostContext(plugin="open_clip", config=config, cache=compiled, settings=settings, encoder=None)
            )
            encoders[key] = encoder
        return encoders[key]

    return load


@pytest.fixture(scope="session")
def forget_encoders(encoders: dict[tuple[str, str, str], Encoder]) -> Forget:
    """Return a function that closes the encoders of a name: three models in two precisions take some 10 GB."""

    def forget(name: str) -> None:
        for key in [key for key in encoders if key[0] == name]:
            encoders.pop(key).close()

    return forget


@pytest.fixture(scope="session")
def tiny() -> Path:
    """Return the folder of the tiny trained CLIP."""
    return tiny_clip.trained()
