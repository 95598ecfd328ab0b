"""Turns the catalogue of a library into one of an earlier Opsin."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from opsin.catalogue import database


def wind_back(catalogue: Path, revision: str) -> None:
    """Give the rows of ``catalogue`` to a new one with the schema of ``revision``, as far as that has room for them."""
    before = catalogue.with_suffix(".before")
    _make(before, revision)
    with sqlite3.connect(before) as old:
        old.execute("ATTACH ? AS now", (str(catalogue),))
        for (table,) in old.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
            if table != "alembic_version" and not table.startswith("sqlite_"):
                both = ", ".join(sorted(_columns(old, "main", table) & _columns(old, "now", table)))
                old.execute(f"INSERT INTO main.{table} ({both}) SELECT {both} FROM now.{table}")
    old.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{catalogue}{suffix}").unlink(missing_ok=True)
    before.replace(catalogue)


def _make(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> set[str]:
    return {name for _, name, *_ in connection.execute(f"PRAGMA {schema}.table_info({table})")}
