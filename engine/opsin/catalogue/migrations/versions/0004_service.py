"""What the service needs: who gave features; public ids, deleting and erasing; events, webhooks, saved searches; answers; jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns and the tables."""
    _features()
    _assets()
    _words()
    _events()
    _answers()
    _jobs()


def _features() -> None:
    """Add the plugin and the revision; of what is here already they are not known, so that it counts as outdated."""
    for name in ("plugin", "revision"):
        op.add_column("feature", sa.Column(name, sa.String(), nullable=False, server_default=""))


def _events() -> None:
    """Add what goes out, to whom, and the queries that new pictures are compared with."""
    op.create_table(
        "event",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("asset_row", sa.Integer()),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_at", "event", ["at"])
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.Float()),
        sa.Column("next_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "delivery",
        sa.Column("webhook_id", sa.String(36), sa.ForeignKey("webhook.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("event_number", sa.Integer(), sa.ForeignKey("event.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.String()),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    op.create_index("ix_delivery_event_number", "delivery", ["event_number"])
    op.create_table(
        "saved_search",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.Column("cutoff", sa.Float(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    )


def _words() -> None:
    """Add what assets are called as text to search in; triggers keep it in step with the assets."""
    columns = ("name", "public_id", "caption")
    named, new, old = (", ".join(f"{of}{column}" for column in columns) for of in ("", "new.", "old."))
    tokens = "porter unicode61 remove_diacritics 2"
    op.execute(
        f"CREATE VIRTUAL TABLE asset_text USING fts5({named}, content='asset', content_rowid='row', tokenize='{tokens}')"
    )
    put = f"INSERT INTO asset_text(rowid, {named}) VALUES (new.row, {new});"  # noqa: S608  nothing of a caller's
    take = f"INSERT INTO asset_text(asset_text, rowid, {named}) VALUES ('delete', old.row, {old});"  # noqa: S608
    op.execute(f"CREATE TRIGGER asset_text_added AFTER INSERT ON asset BEGIN {put} END")
    op.execute(f"CREATE TRIGGER asset_text_gone AFTER DELETE ON asset BEGIN {take} END")
    op.execute(f"CREATE TRIGGER asset_text_changed AFTER UPDATE OF {named} ON asset BEGIN {take} {put} END")
    op.execute("INSERT INTO asset_text(asset_text) VALUES ('rebuild')")


def _assets() -> None:
    op.add_column("asset", sa.Column("public_id", sa.String()))
    op.add_column("asset", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("asset", sa.Column("deleted_at", sa.String()))
    op.create_index("ix_asset_deleted_at", "asset", ["deleted_at"], sqlite_where=sa.text("deleted_at IS NOT NULL"))
    op.create_index(
        "ix_asset_public_id", "asset", ["public_id"], unique=True, sqlite_where=sa.text("deleted_at IS NULL")
    )
    for name in ("erased_asset", "erased_vector"):
        op.create_table(
            name,
            sa.Column("row", sa.Integer(), primary_key=True),
            sa.Column("change", sa.Integer(), nullable=False),
        )
        op.create_index(f"ix_{name}_change", name, ["change"])


def _answers() -> None:
    """Add the answers to requests that may be sent again."""
    op.create_table(
        "idempotency",
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "name", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_at", "idempotency", ["at"])


def _jobs() -> None:
    """Add the work that goes on after its request was answered."""
    op.create_table(
        "job",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("given", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer()),
        sa.Column("result", sa.LargeBinary()),
        sa.Column("problem", sa.LargeBinary()),
        sa.Column("started_at", sa.String()),
        sa.Column("finished_at", sa.String()),
    )
    op.create_index("ix_job_state", "job", ["state"])
    op.create_index("ix_job_finished_at", "job", ["finished_at"])
