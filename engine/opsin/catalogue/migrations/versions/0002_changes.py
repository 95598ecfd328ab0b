"""Each write of an asset has a number."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the numbers; what is here already counts as written in the order of the rows."""
    op.add_column("asset", sa.Column("change", sa.Integer(), nullable=False, server_default="0"))
    op.execute(sa.text("UPDATE asset SET change = row"))
    op.create_index("ix_asset_change", "asset", ["change"])
