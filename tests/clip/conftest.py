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
def load_encoder(compiled: Path) -> Iterator[MakeEncoder]:
    """Return a function that gives the loaded encoder of a name, as the host would load it."""
    loaded: dict[tuple[object, ...], Encoder] = {}

    def load(name: str, *, precision: str = "f32", runtime: str = "openvino", configs: tuple[str, ...] = ()) -> Encoder:
        key = (name, precision, runtime)
        if key not in loaded:
            config = opsin_clip.Config(model_configs=configs)
            settings = HostSettings(precision=precision, runtime=runtime, threads=2)  # type: ignore[arg-type]
            encoder = opsin_clip.opsin_encoder(name, config)
            assert encoder is not None
            encoder.load(
                HostContext(plugin="open_clip", config=config, cache=compiled, settings=settings, encoder=None)
            )
            loaded[key] = encoder
        return loaded[key]

    yield load
    for encoder in loaded.values():
        encoder.close()


@pytest.fixture(scope="session")
def tiny() -> Path:
    """Return the folder of the tiny trained CLIP."""
    return tiny_clip.trained()
