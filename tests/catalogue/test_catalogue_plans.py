"""SQLite reads what a question needs, and not whole tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.exc import DBAPIError

from opsin.catalogue.assets import select_assets
from opsin.catalogue.database import Catalogue
from opsin.catalogue.tables import asset

QUESTIONS: dict[str, tuple[Select[Any], str]] = {
    "assets of contents": (
        select_assets().where(asset.c.content_id.in_(range(60))).order_by(asset.c.row),
        "ix_asset_content_id (content_id=?)",
    ),
    "an asset by its id": (select_assets().where(asset.c.id == "a"), "(id=?)"),
    "an asset by its public id": (select_assets().where(asset.c.public_id == "a"), "ix_asset_public_id (public_id=?)"),
    "what was deleted long ago": (
        select_assets(deleted=True).where(asset.c.deleted_at <= "2026"),
        "ix_asset_deleted_at (deleted_at<?)",
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_by_the_index_made_for_it(name: str, tmp_path: Path) -> None:
    query, condition = QUESTIONS[name]
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.read() as connection:
        sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
    catalogue.close()
    assert any(condition in step for step in plan), plan
    assert not any(step.startswith("SCAN") for step in plan), plan


def test_an_error_of_the_database_does_not_tell_what_was_asked_for(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.read() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("SELECT nothing FROM asset WHERE owner = :owner"), {"owner": "zephyrine"})
    catalogue.close()
    assert "zephyrine" not in str(raised.value)
