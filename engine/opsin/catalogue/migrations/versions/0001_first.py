"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "meta",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "content",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("transparent", sa.Boolean(), nullable=False),
        sa.Column("taken_at", sa.String()),
        sa.Column("added_at", sa.String(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "asset",
        sa.Column("row", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("content_id", sa.Integer(), sa.ForeignKey("content.id"), nullable=False, index=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False, unique=True),
        sa.Column("copied", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("mtime_ns", sa.BigInteger()),
        sa.Column("etag", sa.String()),
        sa.Column("vanished_at", sa.String()),
        sa.Column("owner", sa.String(), index=True),
        sa.Column("caption", sa.Text()),
        sa.Column("context", sa.Text()),
        sa.Column("auto_tag", sa.Float()),
        sa.Column("added_at", sa.String(), nullable=False, index=True),
        sa.Column("updated_at", sa.String(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "embedding",
        sa.Column("row", sa.Integer(), primary_key=True),
        sa.Column("content_id", sa.Integer(), sa.ForeignKey("content.id"), nullable=False),
        sa.Column("frame", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_embedding_content", "embedding", ["content_id", "frame"], unique=True)
    op.create_table(
        "feature",
        sa.Column("content_id", sa.Integer(), sa.ForeignKey("content.id"), primary_key=True),
        sa.Column("frame", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "report",
        sa.Column("content_id", sa.Integer(), sa.ForeignKey("content.id"), primary_key=True),
        sa.Column("categorizer", sa.String(), primary_key=True),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("matches", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
    )
    op.create_index("ix_report_categorizer", "report", ["categorizer", "status", "revision"])
    op.create_table(
        "person_tag",
        sa.Column("asset_row", sa.Integer(), sa.ForeignKey("asset.row"), primary_key=True),
        sa.Column("label", sa.String(), primary_key=True),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
    )
    op.create_index("ix_person_tag_label", "person_tag", ["label"])
    op.create_table(
        "tag_bitmap",
        sa.Column("generation", sa.Integer(), primary_key=True),
        sa.Column("label", sa.String(), primary_key=True),
        sa.Column("chunk", sa.Integer(), primary_key=True),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
    )
