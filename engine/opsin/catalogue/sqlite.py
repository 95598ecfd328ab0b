"""What is SQLite's own: connections, durability and upserts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert

_BUSY_SECONDS = 30


def connect(path: Path, *, readonly: bool = False) -> Engine:
    """Return an engine for the database at ``path``: WAL, and every commit synced (FULL) before it returns.

    A read-only engine may be used beside the process that writes.
    """

    def raw() -> sqlite3.Connection:
        mode = "ro" if readonly else "rwc"
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)

    engine = create_engine("sqlite://", creator=raw, poolclass=QueuePool, pool_size=8, max_overflow=32)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if not readonly:
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA mmap_size = 268435456")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver's own transaction handling is off (isolation_level=None); a writer takes the lock at once,
        # so that two writers wait for each other instead of failing in the middle.
        connection.exec_driver_sql("BEGIN" if readonly or _reads_only(connection) else "BEGIN IMMEDIATE")

    return engine


def _reads_only(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("opsin_reads_only"))


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows``; where the primary key exists, replace its other columns."""
    if not rows:
        return
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys and c.name in rows[0]}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=others), list(rows))


def backup(source: Path, target: Path) -> None:
    """Copy the database at ``source`` to ``target`` as one consistent state, while others go on using it."""
    with sqlite3.connect(source) as origin, sqlite3.connect(target) as copy:
        origin.backup(copy)
    origin.close()
    copy.close()
