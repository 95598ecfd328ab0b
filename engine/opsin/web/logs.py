"""What the service says on standard error: one line an event, as text or as JSON; never a secret or what was searched."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

from opsin.web.reception import Seen

LogForm = Literal["text", "json"]
_log = logging.getLogger("opsin.web.requests")


def log_request(seen: Seen) -> None:
    """Write the line of one request."""
    level = logging.ERROR if seen.status == 500 else logging.INFO
    _log.log(
        level,
        "%s %s %d in %.1f ms, %d bytes, key %s, request %s",
        *(seen.method, seen.route, seen.status, seen.seconds * 1000, seen.bytes, seen.key or "-", seen.id),
        extra={"opsin": _facts(seen)},
    )


def _facts(seen: Seen) -> dict[str, Any]:
    return {
        "event": "request",
        "request_id": seen.id,
        "method": seen.method,
        "route": seen.route,
        "status": seen.status,
        "duration_ms": round(seen.seconds * 1000, 3),
        "bytes": seen.bytes,
        "key": seen.key,
        "library": None if seen.service is None else str(seen.service.library.path),
    }


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, ``message``, and what a record carries in ``opsin``."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().encode("utf-8", "backslashreplace").decode(),
            **getattr(record, "opsin", {}),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(facts).decode()


class TextLines(logging.Formatter):
    """Time, level and message; control characters are escaped, so that one record is one line but for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        safe = message if message.isprintable() else message.encode("unicode_escape").decode()
        line = f"{_at(record)} {record.levelname.lower()} {safe}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


@contextmanager
def logs_to(stream: TextIO, form: LogForm) -> Iterator[None]:
    """Write what Opsin and its libraries log to ``stream``."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root, own = logging.getLogger(), logging.getLogger("opsin")
    before = own.level
    root.addHandler(handler)
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        own.setLevel(before)


def _at(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
