"""Frames are named by their number in the file."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MOST = 16
_MOVE = """UPDATE {} SET frame = :frame WHERE content_id = :content AND frame = :place"""


def upgrade() -> None:
    """Turn places among the frames that were looked at, at most 16 that are spread over the file, into their numbers."""
    connection = op.get_bind()
    long = sa.text("SELECT id, frames FROM content WHERE frames > :most").bindparams(most=_MOST)
    for content, frames in connection.execute(long).all():
        numbers = [round(place * (frames - 1) / (_MOST - 1)) for place in range(_MOST)]
        for place, frame in reversed(list(enumerate(numbers))):  # from the last, which moves furthest: no two meet
            for table in ("embedding", "feature"):
                connection.execute(sa.text(_MOVE.format(table)), {"frame": frame, "content": content, "place": place})
        mine = sa.text("SELECT categorizer, matches FROM report WHERE content_id = :content").bindparams(
            content=content
        )
        for categorizer, stored in connection.execute(mine).all():
            matches = json.loads(stored)
            for match in matches:
                if 0 < match.get("frame", 0) < _MOST:
                    match["frame"] = numbers[match["frame"]]
            connection.execute(
                sa.text("UPDATE report SET matches = :new WHERE content_id = :content AND categorizer = :categorizer"),
                {
                    "new": json.dumps(matches, separators=(",", ":")).encode(),
                    "content": content,
                    "categorizer": categorizer,
                },
            )
