"""The tables of a library's catalogue."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# The bytes of a picture, and what decoding found out about them.
content = Table(
    "content",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    Column("bytes", BigInteger, nullable=False),
    Column("format", String, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("transparent", Boolean, nullable=False),
    Column("taken_at", String),
    Column("added_at", String, nullable=False),
    sqlite_autoincrement=True,
)

# One name for a content. `location` is the path or URL where it is (referenced) or was (copied). `change` is higher
# than that of every asset before, each time one is written: what is above the highest that somebody saw is new to them.
# `public_id` is a name of the caller's choosing, whose `version` counts the pictures that it stood for. What is deleted
# stays, unseen, with `deleted_at` until it is erased; row numbers are never used again.
asset = Table(
    "asset",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("content_id", ForeignKey("content.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("location", Text, nullable=False, unique=True),
    Column("copied", Boolean, nullable=False),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("etag", String),
    Column("vanished_at", String),
    Column("owner", String, index=True),
    Column("caption", Text),
    Column("context", Text),
    Column("auto_tag", Float),
    Column("added_at", String, nullable=False, index=True),
    Column("updated_at", String, nullable=False),
    Column("change", Integer, nullable=False, server_default="0", index=True),
    Column("public_id", String),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("deleted_at", String),
    # of the deleted only: an index in which nearly all rows are NULL would be taken for a narrow one, and read whole
    Index("ix_asset_deleted_at", "deleted_at", sqlite_where=text("deleted_at IS NOT NULL")),
    Index("ix_asset_public_id", "public_id", unique=True, sqlite_where=text("deleted_at IS NULL")),
    sqlite_autoincrement=True,
)

# What assets are called (`name`, `public_id`, `caption`) is kept a second time as words to search for, in the FTS5 table
# `asset_text`, by triggers of the database; `catalogue.sqlite` asks it.

# Rows of assets and of vectors that were erased, for those who saw them; nothing else is left of these. `change` goes on
# the count of `asset`.
erased_asset = Table(
    "erased_asset",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("change", Integer, nullable=False, index=True),
)
erased_vector = Table(
    "erased_vector",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("change", Integer, nullable=False, index=True),
)

# One row a frame that was looked at; the row number is the id in the vector index. `frame` is the frame's number in the
# file, from 0, here and in `feature` and in the matches of reports. `vector` holds little-endian float16. Rows are never
# changed, and go only with their content, when nobody has it any more.
embedding = Table(
    "embedding",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("content_id", ForeignKey("content.id"), nullable=False),
    Column("frame", Integer, nullable=False),
    Column("encoder", String, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Index("ix_embedding_content", "content_id", "frame", unique=True),
    sqlite_autoincrement=True,
)

# Every other feature of a frame, as the raw little-endian bytes of its declared type and shape. `plugin` is whose
# extractor gave it, `revision` that extractor's; "" in what the encoder gives, which is the same one for the whole library,
# and in what was stored before both were noted.
feature = Table(
    "feature",
    metadata,
    Column("content_id", ForeignKey("content.id"), primary_key=True),
    Column("frame", Integer, primary_key=True),
    Column("name", String, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("plugin", String, nullable=False, server_default=""),
    Column("revision", String, nullable=False, server_default=""),
)

# What one categorizer, at one revision, said about one content. `matches` is JSON.
report = Table(
    "report",
    metadata,
    Column("content_id", ForeignKey("content.id"), primary_key=True),
    Column("categorizer", String, primary_key=True),
    Column("revision", String, nullable=False),
    Column("family", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("matches", LargeBinary, nullable=False),
    Column("at", String, nullable=False),
    Index("ix_report_categorizer", "categorizer", "status", "revision"),
)

# A person's word about a label: present, or removed for good.
person_tag = Table(
    "person_tag",
    metadata,
    Column("asset_row", ForeignKey("asset.row"), primary_key=True),
    Column("label", String, primary_key=True),
    Column("present", Boolean, nullable=False),
    Column("at", String, nullable=False),
    Index("ix_person_tag_label", "label"),
)

# The tags that assets have, by models and by people: for each label a roaring bitmap of asset rows, cut in chunks of
# 65,536 rows, so that an added asset rewrites at most 8 kB a label. Making them again writes a new generation and swaps
# it in.
tag_bitmap = Table(
    "tag_bitmap",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("label", String, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("bits", LargeBinary, nullable=False),
)

# What happened, in order, until every webhook that wants to know was told. `data` is the JSON that is sent. It is written
# in the transaction of what it tells of, and only where a webhook wants it. `asset_row` names the asset that it is about;
# that may be gone by now.
event = Table(
    "event",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False),
    Column("kind", String, nullable=False),
    Column("asset_row", Integer),
    Column("at", String, nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# Who is told. `events` is a JSON list of patterns. Every event up to `seen` was sent, was not wanted, or has a row in
# `delivery`. `failures` in a row, since `failing_since`, hold it until `next_at`, times as seconds since 1970.
webhook = Table(
    "webhook",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("secret", String, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("reason", Text),
    Column("created_at", String, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Float),
    Column("next_at", Float, nullable=False),
)

# An event that could not be sent yet ("waiting", not before `next_at`), or was given up ("dead").
delivery = Table(
    "delivery",
    metadata,
    Column("webhook_id", ForeignKey("webhook.id", ondelete="CASCADE"), primary_key=True),
    Column("event_number", ForeignKey("event.number", ondelete="CASCADE"), primary_key=True, index=True),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("last_at", String),
    Column("reason", Text, nullable=False),
)

# A query that each new picture is compared with. `parts` and `conditions` are JSON, as they were given; `vector` holds the
# query's unit vector as little-endian float32.
saved_search = Table(
    "saved_search",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("parts", Text, nullable=False),
    Column("conditions", Text, nullable=False),
    Column("cutoff", Float, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("created_at", String, nullable=False),
)

# What the service answered to requests with an Idempotency-Key, for a day. `holder` is the id of the key that asked, `name`
# what it called the request, `fingerprint` the SHA-256 of the request, `headers` JSON.
idempotency = Table(
    "idempotency",
    metadata,
    Column("holder", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", String, nullable=False, index=True),
)

# Work that goes on after whoever asked for it was answered. `given`, `result` and `problem` are JSON; `attempts` counts how
# often it was begun: a job that ends its process is not begun for ever.
job = Table(
    "job",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("given", LargeBinary, nullable=False),
    Column("created_at", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("result", LargeBinary),
    Column("problem", LargeBinary),
    Column("started_at", String),
    Column("finished_at", String, index=True),
)
