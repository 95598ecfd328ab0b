"""Writes records and embeddings as Parquet, through pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from opsin.errors import UsageError

if TYPE_CHECKING:
    from opsin.services.moving.records import Record, Vectors

    Progress = Callable[[int], None]

_BATCH = 1000
_T = TypeVar("_T")


def write_records(path: Path, records: Iterable[Record], progress: Progress | None) -> int:
    """Write one row an asset and return how many. Context and reports are JSON texts.

    :raises UsageError: where pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    tag = arrow.struct(
        [("label", arrow.string()), ("score", arrow.float64()), ("by", arrow.string()), ("implied", arrow.bool_())]
    )
    said = arrow.struct([("label", arrow.string()), ("present", arrow.bool_())])
    text, number = arrow.string(), arrow.int64()
    schema = arrow.schema(
        [
            *((name, text) for name in ("id", "name", "location", "format")),
            *((name, number) for name in ("width", "height", "bytes", "frames")),
            ("sha256", text),
            ("copied", arrow.bool_()),
            *((name, text) for name in ("owner", "caption", "context")),
            *((name, text) for name in ("taken_at", "added_at", "updated_at", "vanished_at")),
            ("tags", arrow.list_(tag)),
            ("said", arrow.list_(said)),
            ("auto_tag", arrow.float64()),
            ("reports", text),
        ]
    )
    done = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(records):
            writer.write_table(arrow.Table.from_pylist([_row(record) for record in batch], schema=schema))
            done += len(batch)
            if progress is not None:
                progress(done)
    return done


def write_vectors(path: Path, vectors: Iterable[Vectors], encoder: str, progress: Progress | None) -> int:
    """Write one row a frame: id, sha256, frame, vector (fixed-size list of float16). Return how many rows.

    :raises UsageError: where pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    writer: Any = None
    done = assets_done = 0
    try:
        for batch in _batches(vectors):
            matrix = np.concatenate([rows for _, _, rows in batch]).astype(np.float16)
            kind = arrow.list_(arrow.float16(), matrix.shape[1])
            columns = {
                "id": [row.id for row, numbers, _ in batch for _ in numbers],
                "sha256": [row.sha256.hex() for row, numbers, _ in batch for _ in numbers],
                "frame": arrow.array([frame for _, numbers, _ in batch for frame in numbers], arrow.int32()),
                "vector": arrow.FixedSizeListArray.from_arrays(arrow.array(matrix.ravel()), type=kind),
            }
            table = arrow.table(columns).replace_schema_metadata({"encoder": encoder})
            if writer is None:
                writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            done += len(matrix)
            assets_done += len(batch)
            if progress is not None:
                progress(assets_done)
        if writer is None:
            empty = arrow.schema([("id", arrow.string()), ("sha256", arrow.string()), ("frame", arrow.int32())])
            writer = parquet.ParquetWriter(path, empty.with_metadata({"encoder": encoder}))
    finally:
        if writer is not None:
            writer.close()
    return done


def _row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(record)
    row["context"] = msgspec.json.encode(record.context).decode() if record.context else None
    row["reports"] = msgspec.json.encode(record.reports).decode()
    row["tags"] = [
        {"label": tag.label, "score": tag.score, "by": tag.by, "implied": tag.implied} for tag in record.tags
    ]
    row["said"] = [{"label": label, "present": present} for label, present in record.said.items()]
    return row


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    upcoming = iter(items)
    while batch := list(islice(upcoming, _BATCH)):
        yield batch


def require() -> None:
    """Check that Parquet can be written.

    :raises UsageError: where pyarrow is not installed.
    """
    _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'opsin[parquet]', or export as jsonl and npy") from error
    return pa, parquet
