"""The snapshot file: how a view is written aside and renamed, and how every byte of it is checked on reading.

    offset 0   8 bytes   b"OPSINIDX"
           8   uint32    format version
          12   uint32    length of the header
          16   JSON      dim, space, mark, faiss version, file size, and for each part: count, bytes of its sketch
               32 bytes  SHA-256 of all before
               for each part: ids uint32 (count,), removed bits (ceil(count / 8),), rows float16 (count, dim), sketch
               32 bytes  SHA-256 of all before

All numbers are little-endian; no pickle. The file is written as ``<name>.new``, synced, renamed over the old one, and
the folder is synced: whatever happens, the name holds the old or the new snapshot, whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from opsin_index.checks import MAX_DIM
from opsin_index.errors import IndexExists, IndexMissing, SnapshotDamaged, SnapshotMismatch
from opsin_index.segment import SEGMENT_ROWS, Part, Segment
from opsin_index.sketch import Sketch
from opsin_index.view import View

MAGIC: Final = b"OPSINIDX"
VERSION: Final = 1
_PREFIX: Final = struct.Struct("<8sII")
_DIGEST: Final = 32
_MAX_HEADER: Final = 64 * 1024 * 1024
_REMEDY: Final = "restore it from a backup, or delete it and index the vectors again"


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot says of itself; ``parts`` are (rows, bytes of the sketch); ``digest`` is the header's SHA-256."""

    dim: int
    space: str
    mark: int
    faiss: str
    size: int
    parts: tuple[tuple[int, int], ...]
    digest: bytes


def write(path: Path, view: View, *, space: str, mark: int) -> Header:
    """Replace the snapshot at ``path``; raises OSError (a full disk, say) with the old one untouched."""
    aside = _aside(path)
    try:
        with aside.open("wb", buffering=0) as file:
            header = _write(file, view, space=space, mark=mark)
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return header


def clear_aside(path: Path) -> None:
    """Delete what a writer that was killed left unfinished; only for the one who holds the writer's lock."""
    _aside(path).unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last over a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: BinaryIO, view: View, *, space: str, mark: int) -> Header:
    # Of removed rows nothing is written; a sketch would tell of them, and is made again from the others when it is read.
    whole = [part.sketch if part.removed == 0 else None for part in view.parts]
    sketches = [b"" if sketch is None else sketch.dump().tobytes() for sketch in whole]
    parts = tuple((part.count, len(sketch)) for part, sketch in zip(view.parts, sketches, strict=True))
    size = sum(_part_bytes(count, view.dim, sketch) for count, sketch in parts)
    about = {"dim": view.dim, "space": space, "mark": mark, "faiss": faiss.__version__, "body": size, "parts": parts}
    text = json.dumps(about).encode()
    head = _PREFIX.pack(MAGIC, VERSION, len(text)) + text
    digest = hashlib.sha256(head).digest()
    running = hashlib.sha256()
    _put(file, running, head + digest)
    for part, sketch in zip(view.parts, sketches, strict=True):
        removed = np.zeros(part.count, dtype=np.bool_) if part.dead is None else part.dead[: part.count]
        _put(file, running, part.ids.data)
        _put(file, running, np.packbits(removed, bitorder="little").data)
        rows = part.segment.rows[: part.count]
        _put(file, running, (np.where(removed[:, None], np.float16(0), rows) if part.removed else rows).data)
        _put(file, running, sketch)
    _put(file, running, running.digest())
    return Header(view.dim, space, mark, faiss.__version__, len(head) + 2 * _DIGEST + size, parts, digest)


def _part_bytes(count: int, dim: int, sketch: int) -> int:
    return count * 4 + (count + 7) // 8 + count * dim * 2 + sketch


def _put(file: BinaryIO, running: Any, data: memoryview | bytes) -> None:
    rest = memoryview(data).cast("B") if len(data) else memoryview(b"")
    running.update(rest)
    while len(rest):  # an unbuffered write may take less than all
        rest = rest[file.write(rest) :]


class Reader:
    """An open snapshot: ``header`` is checked at once, everything else when ``parts()`` has been read to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            message = f"there is no index at {path}; make one with Index.create"
            raise IndexMissing(message) from None
        try:
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def view(self) -> View:
        """Read everything, check it, and only then give the sketches to FAISS, which trusts what it reads."""
        found = list(self.parts())
        dim = self.header.dim
        return View(dim, tuple(replace(part, sketch=self._sketch(data, part.count)) for part, data in found))

    def parts(self) -> Iterator[tuple[Part, NDArray[np.uint8]]]:
        """Read the parts in order, each with the bytes of its sketch, and check all bytes after the last one."""
        header = self.header
        for count, sketch_bytes in header.parts:
            segment = Segment(header.dim)
            self._into(segment.ids[:count].data)
            removed = np.empty((count + 7) // 8, dtype=np.uint8)
            self._into(removed.data)
            self._into(segment.rows[:count].data)
            sketch = np.empty(sketch_bytes, dtype=np.uint8)
            self._into(sketch.data)
            yield _part(segment, count, np.unpackbits(removed, count=count, bitorder="little")), sketch
        found = self._running.digest()
        if self._file.read(_DIGEST) != found or self._file.read(1):
            raise self._damaged("its checksum does not fit its bytes")

    def _sketch(self, data: NDArray[np.uint8], count: int) -> Sketch | None:
        """None also where another FAISS wrote it, whose rotation or layout may differ; it is then made from the rows."""
        if not len(data) or self.header.faiss != faiss.__version__:
            return None
        return Sketch.load(data, dim=self.header.dim, count=count)

    def _read_header(self) -> Header:
        prefix = self._file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise self._damaged("it is shorter than its header")
        magic, version, length = _PREFIX.unpack(prefix)
        if magic != MAGIC:
            raise self._damaged("it does not begin like one")
        if version != VERSION:
            message = (
                f"{self._path} is a snapshot of format {version}, this version reads format {VERSION}; "
                "open it with the version that wrote it, or index the vectors again"
            )
            raise SnapshotDamaged(message)
        text = self._file.read(min(length, _MAX_HEADER))
        digest = self._file.read(_DIGEST)
        if hashlib.sha256(prefix + text).digest() != digest:
            raise self._damaged("the checksum of its header does not fit")
        self._running = hashlib.sha256(prefix + text + digest)
        return self._parse(text, digest, len(prefix) + len(text) + 2 * _DIGEST)

    def _parse(self, text: bytes, digest: bytes, frame: int) -> Header:
        try:
            about = json.loads(text)
            parts = tuple((int(count), int(sketch)) for count, sketch in about["parts"])
            dim, mark, body = int(about["dim"]), int(about["mark"]), int(about["body"])
            header = Header(dim, str(about["space"]), mark, str(about["faiss"]), frame + body, parts, digest)
        except (ValueError, KeyError, TypeError) as error:
            fault = f"its header cannot be read ({error})"
            raise self._damaged(fault) from None
        sizes_fit = body == sum(_part_bytes(count, dim, sketch) for count, sketch in parts)
        if not (1 <= dim <= MAX_DIM and sizes_fit and all(0 < c <= SEGMENT_ROWS and s >= 0 for c, s in parts)):
            raise self._damaged("its header contradicts itself")
        found = os.fstat(self._file.fileno()).st_size
        if found != header.size:
            fault = f"it has {found} bytes instead of {header.size}"
            raise self._damaged(fault)
        return header

    def _into(self, target: memoryview) -> None:
        view = target.cast("B") if target.nbytes else memoryview(bytearray())
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                raise self._damaged("it ends too early")
            done += count
        self._running.update(view)

    def _damaged(self, fault: str) -> SnapshotDamaged:
        return SnapshotDamaged(f"{self._path} is not a whole index snapshot: {fault}; {_REMEDY}")


def _part(segment: Segment, count: int, removed: NDArray[np.uint8]) -> Part:
    ids = segment.ids[:count]
    dead = None
    if removed.any():
        dead = np.zeros(SEGMENT_ROWS, dtype=np.bool_)
        dead[:count] = removed
    ascending = bool((ids[1:] > ids[:-1]).all())
    return Part(segment, count, int(removed.sum()), dead, int(ids.min()), int(ids.max()), ascending)


def total_bytes(parts: Sequence[Part], dim: int) -> int:
    """Bytes of memory that the parts hold."""
    sketches = sum(SEGMENT_ROWS * (dim + 1) // 2 for part in parts if part.sketch is not None)
    return len(parts) * SEGMENT_ROWS * (dim * 2 + 4) + sketches


def require_same(path: Path, header: Header, dim: int | None, space: str | None) -> None:
    """Raise SnapshotMismatch where a snapshot holds vectors of another dimension or space."""
    if dim is not None and dim != header.dim:
        message = f"{path} holds vectors of {header.dim} dimensions, not {dim}; open it for the encoder that filled it"
        raise SnapshotMismatch(message)
    if space is not None and space != header.space:
        message = (
            f"{path} holds vectors of the space {header.space!r}, not {space!r}; open it for the encoder that filled it"
        )
        raise SnapshotMismatch(message)


def require_free(path: Path) -> None:
    """Raise IndexExists where there is something at ``path``."""
    if path.exists():
        message = f"there is an index at {path} already; open it with Index.open, or choose another path"
        raise IndexExists(message)
