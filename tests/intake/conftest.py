"""Fixtures of the intake tests: one decoder for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opsin import View
from opsin.intake.decode import Decoder
from opsin.settings import DecodeSettings


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """A decoder that keeps at least 64 pixels and prepares one view of 64 x 64."""
    with Decoder(DecodeSettings(timeout=60), min_side=64, views=[View(72, 64)]) as made:
        yield made
