"""Fixtures of the intake tests: one decoder for all of them, and the folder of shared test data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsin import View
from opsin.intake.decode import Decoder
from opsin.settings import DecodeSettings

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """A decoder that keeps at least 64 pixels and prepares one view of 64 x 64."""
    with Decoder(DecodeSettings(timeout=60), min_side=64, views=[View(72, 64)]) as made:
        yield made


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no test data in {SHARED}")
    return SHARED
