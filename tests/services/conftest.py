"""What the tests of searching share."""

from __future__ import annotations

from pathlib import Path

import pytest

import opsin


@pytest.fixture
def filled(library: opsin.Library, photos: Path) -> opsin.Library:
    library.add(photos, owner="ann")
    return library
