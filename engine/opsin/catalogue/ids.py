"""Times and public identifiers."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds; as text it sorts by time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """Return a UUID of version 7, which sorts by time (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62) | secrets.randbits(62)
    return str(uuid.UUID(int=value))
