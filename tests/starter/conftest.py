"""The starter encoder, loaded once for all its tests from the tests' own cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from opsin import Frame
from opsin.host.context import HostContext
from opsin.settings import HostSettings
from opsin_starter import StarterConfig
from opsin_starter.encoder import StarterEncoder


def host_context(cache: Path) -> HostContext:
    return HostContext(plugin="starter", config=StarterConfig(), cache=cache, settings=HostSettings(), encoder=None)


@pytest.fixture(scope="session")
def starter(cache_of_the_tests: Path) -> Iterator[StarterEncoder]:
    encoder = StarterEncoder(StarterConfig())
    encoder.load(host_context(cache_of_the_tests))
    yield encoder
    encoder.close()


@pytest.fixture(scope="session")
def demo_frames() -> dict[str, Frame]:
    """Return the colour photos that ship inside scikit-image, by name."""
    folder = Path(skimage.__file__).parent / "data"
    paths = {"cat": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg", "motorcycle": "motorcycle_left.png"}
    paths["other motorcycle"] = "motorcycle_right.png"
    return {name: Frame(np.asarray(Image.open(folder / path).convert("RGB"))) for name, path in paths.items()}
