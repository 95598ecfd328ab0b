"""Which assets there are since a moment, and whose they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from opsin.catalogue.tables import asset


def since(connection: Connection, moment: str) -> tuple[NDArray[np.uint32], list[str | None]]:
    """Return the rows of the assets added since ``moment``, sorted, and their owners; what is vanished or deleted is none."""
    query = select(asset.c.row, asset.c.owner).where(
        asset.c.added_at >= moment, asset.c.vanished_at.is_(None), asset.c.deleted_at.is_(None)
    )
    found = connection.execute(query.order_by(asset.c.row)).all()
    return np.array([row for row, _ in found], np.uint32), [owner for _, owner in found]
