"""Features say who gave them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the plugin and the revision; of what is here already they are not known, so that it counts as outdated."""
    for name in ("plugin", "revision"):
        op.add_column("feature", sa.Column(name, sa.String(), nullable=False, server_default=""))
