"""Times and public identifiers."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds; as text it sorts by time."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """Return a time in UTC as it is stored."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """Return a UUID of version 7, which sorts by time (RFC 9562, sections 5.7 and 6.2, method 3).

    The 12 bits after the milliseconds are their fraction, so that the first 18 characters tell apart what was made in
    one go.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | secrets.randbits(62)
    return str(uuid.UUID(int=value))
