"""Pictures that are given as bytes, without a place of their own."""

from __future__ import annotations

from opsin.intake.source import DataSource
from opsin.services.analyse import digest


def from_bytes(data: bytes) -> DataSource:
    """Return the source of a picture in memory; the same bytes are the same source."""
    name = digest(data).hex()
    return DataSource(kind="data", location=f"data:sha256,{name}", name=f"data-{name[:12]}", size=len(data), data=data)
