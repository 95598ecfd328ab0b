"""Opening the catalogue, bringing its schema up to date, and its transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, inspect, select, text
from sqlalchemy.exc import DBAPIError

from opsin.catalogue import sqlite
from opsin.catalogue.queueing import Queue
from opsin.catalogue.tables import meta
from opsin.errors import LibraryError

HEAD = "0004"
"""The schema revision that this code speaks; a test compares it with the newest migration."""


CLOSED = "this library was closed: open it again"


class Catalogue:
    """One open catalogue. Writers share one transaction at a time; readers see the last commit."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open the catalogue at ``path`` and, unless it is read only, migrate it.

        :raises LibraryError: where it was written by a newer Opsin, is older and opened read only, or cannot be
            written.
        :raises Damaged: where it is no database.
        """
        self.path = path
        self.readonly = readonly
        self.committed = threading.Event()
        """Set after each commit; whoever waits for news clears it before looking."""
        self._closed = False
        self._writers = Queue()
        self._engine: Engine = sqlite.connect(path, readonly=readonly)
        self._reader = self._engine.execution_options(opsin_reads_only=True)
        self._watch = sqlite.Watch(self._engine)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        found = self._schema()
        if found == HEAD:
            return
        if self.readonly:
            msg = f"{self.path} has schema {found or 'none'}, this Opsin needs {HEAD}: open it once for writing"
            raise LibraryError(msg)
        try:
            with sqlite.failures(self.path):
                migrate(self._engine, self.path)
        except DBAPIError as error:
            msg = (
                f"{self.path} cannot be brought from schema {found or 'none'} to {HEAD} and is as it was ({error.orig}): "
                "use the Opsin that wrote it until this is mended, and report it"
            )
            raise LibraryError(msg) from error

    def _schema(self) -> str | None:
        with self.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state.

        :raises LibraryError: where the disk does not answer; :class:`Damaged` where the database is.
        """
        self._require_open()
        with sqlite.failures(self.path), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is durable when the block ends without an error.

        Threads of this process write in the order in which they came; another process is waited for for 30 seconds.

        :raises LibraryError: where the disk is full or fails; then nothing of the transaction is stored.
        """
        self._require_open()
        with self._writers.turn(), sqlite.failures(self.path), self._engine.begin() as connection:
            yield connection
        self.committed.set()

    def forget_journal(self) -> None:
        """Bring all that was written into the database, and cut its journal, where no reader needs it just now."""
        self._require_open()
        with sqlite.failures(self.path):
            sqlite.cut_journal(self._reader)

    def version(self) -> int:
        """Return a number that changes with every commit, of this process or of another; it counts from no fixed start.

        :raises LibraryError: where the disk does not answer.
        """
        self._require_open()
        with sqlite.failures(self.path):
            return self._watch.version()

    def close(self) -> None:
        """Give the connections back; whoever comes later is told so."""
        self._closed = True
        self._watch.close()
        self._engine.dispose()

    def _require_open(self) -> None:
        if self._closed:
            raise LibraryError(CLOSED)


def migrate(engine: Engine, path: Path) -> None:
    """Bring the schema to ``HEAD``.

    :raises LibraryError: where the catalogue's schema is one that this Opsin does not know.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            msg = f"{path} was written by another version of Opsin ({error}): upgrade Opsin"
            raise LibraryError(msg) from error


_META = select(meta.c.value).where(meta.c.key == bindparam("key"))


def get_meta(connection: Connection, key: str) -> str | None:
    """Return the value stored under ``key``, else None."""
    return connection.execute(_META, {"key": key}).scalar()


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Store ``value`` under ``key``."""
    sqlite.upsert(connection, meta, [{"key": key, "value": value}])
