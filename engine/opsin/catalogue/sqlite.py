"""What is SQLite's own: connections, durability and upserts."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    PoolProxiedConnection,
    QueuePool,
    Table,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DBAPIError

from opsin.errors import Damaged, LibraryError, Unwritable

_BUSY_SECONDS = 30

_TROUBLES: Mapping[int, tuple[type[LibraryError], str]] = {
    sqlite3.SQLITE_FULL: (Unwritable, "the disk is full: free some space, then do it again"),
    sqlite3.SQLITE_IOERR: (
        Unwritable,
        "reading or writing failed: check the room on the disk, the limit on the size of files and the disk itself",
    ),
    sqlite3.SQLITE_CANTOPEN: (LibraryError, "it cannot be opened: check the room on the disk and the permissions"),
    sqlite3.SQLITE_READONLY: (Unwritable, "it may not be written: check the permissions of its file and folder"),
    sqlite3.SQLITE_PERM: (LibraryError, "it may not be used: check the permissions of its file and folder"),
    sqlite3.SQLITE_BUSY: (Unwritable, "another program has it locked: end that program, then do it again"),
    sqlite3.SQLITE_CORRUPT: (Damaged, "it is damaged: restore it from a backup"),
    sqlite3.SQLITE_NOTADB: (Damaged, "it is not a database: restore it from a backup"),
}
"""What SQLite's primary result codes (https://sqlite.org/rescode.html) mean to whoever uses a library."""


@contextmanager
def failures(path: Path) -> Iterator[None]:
    """Turn what the disk does to the database at ``path`` into errors that say what to do.

    :raises LibraryError: where it cannot be used; :class:`Unwritable` where the disk is full, fails or may not be written.
    :raises Damaged: where the file is no whole database.
    """
    try:
        yield
    except DBAPIError as error:
        known = _known(error.orig)
        if known is None:
            raise
        kind, what = known
        msg = f"{path}: {what} (SQLite says: {error.orig})"
        raise kind(msg) from error


def meaning_of(error: sqlite3.Error) -> str:
    """Return what an error of SQLite's means to whoever uses a library, where that is known."""
    known = _known(error)
    return str(error) if known is None else known[1]


def _known(error: BaseException | None) -> tuple[type[LibraryError], str] | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else _TROUBLES.get(code & 0xFF)


def connect(path: Path, *, readonly: bool = False) -> Engine:
    """Return an engine for the database at ``path``: WAL, and every commit synced (FULL) before it returns.

    A read-only engine may be used beside the process that writes.
    """

    def raw() -> sqlite3.Connection:
        mode = ("ro&immutable=1" if _is_frozen(path) else "ro") if readonly else "rwc"
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)

    # what a statement is about stays out of errors, and thus out of logs
    engine = create_engine(
        "sqlite://", creator=raw, poolclass=QueuePool, pool_size=8, max_overflow=32, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if not readonly:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten, also in free pages
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


def _is_frozen(path: Path) -> bool:
    """Return whether the database is on a file system for reading only, with no log beside it to be taken in.

    SQLite then cannot make the files that readers of a database in WAL mode share, and need not, as nobody writes
    (https://sqlite.org/wal.html#read_only_databases).
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY) and not (log.exists() and log.stat().st_size)
    except OSError:
        return False


def _reads_only(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("opsin_reads_only"))


class Watch:
    """Tells whether another connection committed since it was last asked; safe to ask from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: PoolProxiedConnection | None = None

    def version(self) -> int:
        """Return a number that changes with every commit of another connection, of this process or of another.

        It means something only beside other answers of this object (https://sqlite.org/pragma.html#pragma_data_version).
        """
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            with closing(self._connection.cursor()) as cursor:
                cursor.execute("PRAGMA data_version")
                (number,) = cursor.fetchall()[0]
                return int(number)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows``; where the primary key exists, replace its other columns."""
    if rows:
        connection.execute(_upsert(table, tuple(sorted(rows[0]))), list(rows))


@cache
def _upsert(table: Table, names: tuple[str, ...]) -> Insert:
    """Build the statement once: building it takes longer than carrying it out."""
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def last_number(connection: Connection, table: Table) -> int:
    """Return the highest number that a table with AUTOINCREMENT ever gave, 0 where there was none."""
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return int(connection.execute(query, {"name": table.name}).scalar() or 0)


def one_of(column: ColumnElement[int], numbers: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that ``column`` is one of any number of numbers, in one parameter."""
    listed = func.json_each(json.dumps(list(numbers))).table_valued("value")
    return column.in_(select(listed.c.value))


def rows_called(connection: Connection, phrases: Sequence[str]) -> Iterator[int]:
    """Yield the rows of the assets whose name, public id and caption hold every phrase, the best fit (BM25) first.

    Words count in any form that English gives them (Porter's stemmer), and without their accents.
    """
    query = " ".join('"{}"'.format(phrase.replace('"', " ").replace("\0", " ")) for phrase in phrases)
    found = text("SELECT rowid FROM asset_text WHERE asset_text MATCH :query ORDER BY rank, rowid")
    for (row,) in connection.execute(found, {"query": query}):
        yield int(row)


def forget_words(connection: Connection) -> None:
    """Write the words of assets anew, without those of assets that are no more."""
    connection.execute(text("INSERT INTO asset_text(asset_text) VALUES ('optimize')"))


def cut_journal(engine: Engine) -> None:
    """Bring the write-ahead log into the database and empty it, as far as readers let it."""
    with engine.connect() as connection, closing(connection.connection.cursor()) as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")


def backup(source: Path, target: Path) -> None:
    """Copy the database at ``source`` to ``target`` as one consistent state, while others go on using it."""
    mode = "ro&immutable=1" if _is_frozen(source) else "rw"  # to be able to take the log in
    uri = f"{source.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
