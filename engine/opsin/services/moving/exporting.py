"""What goes out of a library: one record an asset as JSON lines or Parquet, and the embeddings beside it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import numpy as np

from opsin.errors import LibraryError, UsageError, reason_of
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import Condition
from opsin.services.moving import parquet, records

Format = Literal["jsonl", "parquet"]
VectorFormat = Literal["npy", "parquet"]
_FORMS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    "": "jsonl",
}
Progress = Callable[[int], None]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: how many assets, how many vectors, and the files."""

    assets: int
    vectors: int = 0
    files: tuple[str, ...] = ()


def export(
    workspace: Workspace,
    out: Path | BinaryIO,
    *,
    where: Sequence[Condition] = (),
    form: Format | None = None,
    vectors: VectorFormat | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the records to ``out``, and with ``vectors`` the embeddings beside it. Without ``form`` the file's name says it.

    :raises LibraryError: where a file cannot be written.
    :raises UsageError: where the name says no format that is written, a file exists and ``force`` is False, pyarrow is needed and not installed, or a stream is given where a file is needed.
    """
    if vectors is not None and not isinstance(out, Path):
        raise UsageError("vectors are written beside a file: name one instead of -")
    form = form or (form_of(out) if isinstance(out, Path) else "jsonl")
    done = export_records(workspace, out, where=where, form=form, force=force, progress=progress)
    if vectors is None or not isinstance(out, Path):
        return Exported(assets=done, files=(str(out),) if isinstance(out, Path) else ())
    rows, files = export_vectors(workspace, out, where=where, form=vectors, force=force, progress=progress)
    return Exported(assets=done, vectors=rows, files=(str(out), *map(str, files)))


def form_of(out: Path) -> Format:
    """Return the format that a file's name says; a name without an ending says JSON lines.

    :raises UsageError: where it says another format, naming those that are written.
    """
    ending = out.suffix.lower()
    if ending not in _FORMS:
        msg = f"{out.name} is not written as {ending}: end the name in {', '.join(filter(None, _FORMS))}, or say the format"
        raise UsageError(msg)
    return _FORMS[ending]


def export_records(
    workspace: Workspace,
    out: Path | BinaryIO,
    *,
    where: Sequence[Condition] = (),
    form: Format = "jsonl",
    force: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write one record an asset to ``out`` and return how many. A file appears only when it is whole.

    :raises LibraryError: where ``out`` cannot be written.
    :raises UsageError: where ``out`` exists and ``force`` is False, for Parquet on a stream, or without pyarrow.
    """
    if not isinstance(out, Path):
        if form == "parquet":
            raise UsageError("Parquet needs a file to be written to: name one instead of -")
        return _write_json(workspace, out, where, progress)
    if form == "parquet":
        with whole(out, force=force) as unfinished:
            return parquet.write_records(unfinished, records.records(workspace, where), progress)
    with whole(out, force=force) as unfinished, unfinished.open("wb") as stream:
        return _write_json(workspace, stream, where, progress)


def export_vectors(
    workspace: Workspace,
    out: Path,
    *,
    where: Sequence[Condition] = (),
    form: VectorFormat = "npy",
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[int, tuple[Path, ...]]:
    """Write the embeddings of the same assets beside ``out``; return how many, and the files.

    npy: ``<out>.vectors.npy`` (float16, (n, dim), unit rows) and ``<out>.vectors.jsonl`` with one line a row: the
    asset's id, its sha256 and the frame. Parquet: all of it in ``<out>.vectors.parquet``. An animation has several rows.

    :raises LibraryError: where a file cannot be written.
    :raises UsageError: where a file exists and ``force`` is False.
    """
    stem = out.with_suffix("") if out.suffix in {".jsonl", ".parquet", ".json"} else out
    if form == "parquet":
        target = stem.with_name(f"{stem.name}.vectors.parquet")
        with whole(target, force=force) as unfinished:
            done = parquet.write_vectors(unfinished, records.vectors(workspace, where), workspace.encoder, progress)
        return done, (target,)
    target, names = stem.with_name(f"{stem.name}.vectors.npy"), stem.with_name(f"{stem.name}.vectors.jsonl")
    with (
        whole(target, force=force) as unfinished,
        whole(names, force=force) as unfinished_names,
        unfinished.open("w+b") as stream,
        unfinished_names.open("wb") as lines,
    ):
        done = _write_npy(workspace, where, stream, lines, progress)
    return done, (target, names)


def _write_json(workspace: Workspace, stream: BinaryIO, where: Sequence[Condition], progress: Progress | None) -> int:
    done = 0
    encoder = msgspec.json.Encoder()
    for done, record in enumerate(records.records(workspace, where), 1):
        stream.write(encoder.encode(record) + b"\n")
        if progress is not None:
            progress(done)
    return done


def _write_npy(
    workspace: Workspace,
    where: Sequence[Condition],
    stream: BinaryIO,
    lines: BinaryIO,
    progress: Progress | None,
) -> int:
    """Write rows first and the header with their number last: its length does not depend on the number."""
    dim = done = 0
    for assets_done, (row, numbers, matrix) in enumerate(records.vectors(workspace, where), 1):
        if not dim:
            dim = matrix.shape[1]
            _npy_header(stream, 0, dim)
        names = ({"id": row.id, "sha256": row.sha256.hex(), "frame": frame} for frame in numbers)
        lines.write(msgspec.json.Encoder().encode_lines(list(names)))
        stream.write(matrix.astype("<f2").tobytes())
        done += len(matrix)
        if progress is not None:
            progress(assets_done)
    stream.seek(0)
    _npy_header(stream, done, dim)
    return done


def _npy_header(stream: BinaryIO, rows: int, dim: int) -> None:
    """Write the header of a .npy file, padded so that any number of rows fits (NumPy's format 1.0)."""
    fields = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, {dim}), }}"
    text = fields.ljust(128 - len(np.lib.format.MAGIC_PREFIX) - 4 - 1) + "\n"
    stream.write(np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode("latin-1"))


@contextmanager
def whole(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a name to write to; when the block ends well, the file is synced and takes the place of ``path``."""
    if path.exists() and not force:
        msg = f"{path} is there already: name another file, or say --force"
        raise UsageError(msg)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {reason_of(error)}"
        raise LibraryError(msg) from error
    finally:
        unfinished.unlink(missing_ok=True)
