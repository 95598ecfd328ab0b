"""The kit for testing plugins: pictures, fakes, a context, and conformance suites to inherit from.

The suites ``ExtractorContract``, ``EncoderContract`` and ``CategorizerContract`` need pytest, which is imported only
when one of them is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsin.testing.context import FakeContext
from opsin.testing.fakes import FakeCategorizer, FakeEncoder
from opsin.testing.pictures import COLOURS, GROUNDS, jpeg_bytes, make_frame, make_noise, make_picture, png_bytes

if TYPE_CHECKING:
    from opsin.testing.contracts import CategorizerContract, EncoderContract, ExtractorContract

__all__ = [
    "COLOURS",
    "GROUNDS",
    "CategorizerContract",
    "EncoderContract",
    "ExtractorContract",
    "FakeCategorizer",
    "FakeContext",
    "FakeEncoder",
    "jpeg_bytes",
    "make_frame",
    "make_noise",
    "make_picture",
    "png_bytes",
]

_CONTRACTS = frozenset({"CategorizerContract", "EncoderContract", "ExtractorContract"})


def __getattr__(name: str) -> Any:
    """Load the conformance suites, with pytest, only when one is asked for."""
    if name in _CONTRACTS:
        from opsin.testing import contracts

        return getattr(contracts, name)
    msg = f"module 'opsin.testing' has no attribute {name!r}"
    raise AttributeError(msg)
