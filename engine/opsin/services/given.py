"""What people give as a picture: bytes without a place of their own, or the name of a file."""

from __future__ import annotations

import os
from pathlib import Path

from opsin.intake.source import DataSource
from opsin.services.analyse import digest


def from_bytes(data: bytes) -> DataSource:
    """Return the source of a picture in memory; the same bytes are the same source."""
    name = digest(data).hex()
    return DataSource(kind="data", location=f"data:sha256,{name}", name=f"data-{name[:12]}", size=len(data), data=data)


def existing_path(name: str | Path) -> Path | None:
    """Return the absolute, normalised path of a file or folder that is there, else None."""
    try:
        path = Path(os.path.abspath(name))  # noqa: PTH100  Path.resolve would follow links, which have names of their own
        return path if path.exists() else None
    except (OSError, ValueError):  # too long for a name, or with a NUL: a data URI, say
        return None
