"""Answers that the service gave to requests with an Idempotency-Key, kept for a day, so that a repeat gets the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Connection, delete, func, select

from opsin.catalogue import Catalogue, sqlite
from opsin.catalogue.ids import as_text, now
from opsin.catalogue.tables import idempotency

_KEPT = timedelta(hours=24)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered. ``fingerprint`` is the SHA-256 of what was asked; ``headers`` are names and values."""

    fingerprint: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Answers:
    """The answers that are kept, by whose request it was (the id of a key) and by what that called it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def find(self, holder: str, name: str) -> Answer | None:
        """Return the answer to a request, None where there is none of the last 24 hours."""
        table = idempotency.c
        query = select(table.fingerprint, table.status, table.headers, table.body).where(
            table.holder == holder, table.name == name, table.at > _oldest()
        )
        with self._catalogue.read() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        headers = msgspec.json.decode(found.headers, type=tuple[tuple[str, str], ...])
        return Answer(fingerprint=found.fingerprint, status=found.status, headers=headers, body=found.body)

    def keep(self, holder: str, name: str, answer: Answer) -> None:
        """Store the answer to a request, durably; those that are older than a day go.

        :raises LibraryError: where it cannot be stored.
        """
        row = {
            "holder": holder,
            "name": name,
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "headers": msgspec.json.encode(answer.headers).decode(),
            "body": answer.body,
            "at": now(),
        }
        with self._catalogue.write() as connection:
            _sweep(connection)
            sqlite.upsert(connection, idempotency, [row])


def forget(connection: Connection, assets: Iterable[str]) -> None:
    """Drop the answers that tell of assets, which are erased, and those that are older than a day."""
    _sweep(connection)
    for each in assets:
        connection.execute(delete(idempotency).where(func.instr(idempotency.c.body, each.encode()) > 0))


def _sweep(connection: Connection) -> None:
    connection.execute(delete(idempotency).where(idempotency.c.at <= _oldest()))


def _oldest() -> str:
    return as_text(datetime.now(UTC) - _KEPT)
