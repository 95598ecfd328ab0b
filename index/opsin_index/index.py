"""The index as callers see it: checks, one writer's lock, and the switch from one frozen state to the next."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opsin_index import checks, find, snapshot
from opsin_index import lock as lock_file
from opsin_index.errors import (
    IndexClosed,
    ReadOnly,
    SnapshotDamaged,
    UnknownIds,
)
from opsin_index.hits import MISSING, Hits
from opsin_index.reports import Stats, Verified
from opsin_index.sketch import Rotation
from opsin_index.threads import Workers, single_threaded_faiss
from opsin_index.view import View

if TYPE_CHECKING:
    from types import TracebackType


class Index:
    """Unit vectors under uint32 ids, searched by cosine; made by `create` or `open`, a context manager.

    One `Index` may be used from many threads: searches never wait, changes follow each other. One process at a time
    may write; others open with ``readonly=True`` and see the snapshots. Changes are lost unless `snapshot` follows.
    """

    def __init__(self, path: Path, view: View, header: snapshot.Header, lock: int | None, threads: int) -> None:
        self._path = path
        self._view: View | None = view
        self._header = header
        self._lock = lock
        self._private = False
        self._saved: View | None = view
        self._rotation = Rotation(view.dim)
        self._means = find.Means(self._rotation, Workers(threads))
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    @classmethod
    def create(cls, path: Path, *, dim: int, space: str = "", threads: int = 1) -> Index:
        """Make an empty index of ``dim`` dimensions (1 to 4,096) at ``path``, a file that must not exist yet.

        ``space`` names what the vectors mean; `open` can ask for it. ``threads`` is how many threads one search may
        use. Raises IndexExists, IndexBusy, ValueError, and OSError from the file system.
        """
        checks.dimensions(dim)
        checks.threads(threads)
        lock = lock_file.acquire(path)
        try:
            snapshot.require_free(path)
            view = View(dim)
            header = snapshot.write(path, view, space=space, mark=0)
            return cls(path, view, header, lock, threads)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def private(cls, path: Path | None = None, *, dim: int, space: str = "", threads: int = 1) -> Index:
        """Make an index that lives in this process's memory alone: it may be changed, and is never written anywhere.

        It begins as the snapshot at ``path``, or empty (None). For a reader that knows of rows which the writer's
        snapshot does not hold yet. Raises what `open` raises; its `snapshot` raises ReadOnly.
        """
        if path is not None:
            index = cls.open(path, readonly=True, dim=dim, space=space, threads=threads)
        else:
            checks.dimensions(dim)
            checks.threads(threads)
            header = snapshot.Header(dim, space, mark=0, faiss="", size=0, parts=(), digest=b"")
            index = cls(Path("(memory)"), View(dim), header, None, threads)
        index._private = True
        return index

    @classmethod
    def open(
        cls, path: Path, *, readonly: bool = False, dim: int | None = None, space: str | None = None, threads: int = 1
    ) -> Index:
        """Read the snapshot at ``path`` into memory, checking every byte.

        ``dim`` and ``space``, where given, must be those it was made with. Raises IndexMissing, IndexBusy (another
        writer; readers never get it), SnapshotDamaged and its kind SnapshotMismatch, and OSError.
        """
        checks.threads(threads)
        lock = None if readonly else lock_file.acquire(path, must_exist=True)
        try:
            view, header = _load(path)
            snapshot.require_same(path, header, dim, space)
            if not readonly:
                snapshot.clear_aside(path)
            return cls(path, view, header, lock, threads)
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise

    @property
    def dim(self) -> int:
        return self._header.dim

    @property
    def space(self) -> str:
        return self._header.space

    @property
    def mark(self) -> int:
        """The caller's change number that the snapshot on disk (as last read or written here) is complete up to."""
        return self._header.mark

    def __len__(self) -> int:
        return len(self._state())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, int | np.integer) or isinstance(name, bool) or not 0 <= name < MISSING:
            return False
        return any(True for _ in self._state().locate(np.array([name], dtype=np.uint32)))

    def ids(self) -> NDArray[np.uint32]:
        """All ids, ascending: uint32 (n,)."""
        return self._state().ids()

    def upsert(self, ids: NDArray[np.uint32], vectors: NDArray[np.float32]) -> None:
        """Store ``vectors`` float32 (n, dim), rows of unit length, under ``ids`` uint32 (n,), each id once.

        Rows are rounded to fp16. An id that is stored already gets the new vector. Searches see all rows of the call
        or none. Raises BadVectors, BadIds, ReadOnly, IndexClosed; nothing is changed then.
        """
        rows = checks.vectors(vectors, self.dim)
        names = checks.ids(ids, count=len(rows))
        with self._changing:
            view = self._changeable()
            if len(names) == 0:
                return
            halves = rows.astype(np.float16)
            with single_threaded_faiss():
                view, _ = view.without(np.sort(names))
                self._view = view.extended(names, halves, self._rotation).compacted(self._rotation)

    def remove(self, ids: NDArray[np.uint32]) -> int:
        """Forget the rows of ``ids`` uint32 (n,); ids that are not stored are passed over.

        Returns how many were removed. Raises BadIds, ReadOnly, IndexClosed.
        """
        names = checks.ids(ids)
        with self._changing:
            view, removed = self._changeable().without(np.sort(names))
            with single_threaded_faiss():
                self._view = view.compacted(self._rotation)
        return removed

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.uint32] | NDArray[np.uint8] | None = None,
        *,
        exact: bool = False,
    ) -> Hits:
        """Find the ``k`` rows of highest cosine for each of ``vectors`` float32 (q, dim), unit rows.

        ``allowed`` limits the search to some ids: strictly ascending uint32 (n,), or a packed bitmap uint8 in which
        bit ``i % 8`` (least significant first) of byte ``i // 8`` stands for id ``i`` and ids beyond its end are not
        allowed. Scores are cosines with the rounded rows. Fewer than k rows: see `Hits`.
        ``exact`` reads every row; otherwise one in a hundred of the true hits may be missed above 16,384 rows.
        Raises BadVectors, BadSearch, IndexClosed.
        """
        queries = checks.vectors(vectors, self.dim)
        wanted = checks.neighbours(k)
        chosen = checks.selection(allowed)
        with single_threaded_faiss():
            return find.search(self._state(), queries, wanted, chosen, self._means, exact=exact)

    def vectors_of(self, ids: NDArray[np.uint32]) -> NDArray[np.float32]:
        """Return the stored (rounded) rows of ``ids`` uint32 (n,), in their order: float32 (n, dim).

        Raises BadIds, and UnknownIds where one is not stored.
        """
        names = checks.ids(ids)
        order = np.argsort(names)
        rows, known = self._state().rows_of(names[order])
        if not known.all():
            missing = tuple(int(name) for name in names[order][~known][:10])
            message = f"not stored: {', '.join(map(str, missing))}{' ...' if (~known).sum() > 10 else ''}"
            raise UnknownIds(message, ids=missing)
        answer = np.empty_like(rows)
        answer[order] = rows
        return answer

    def snapshot(self, mark: int = 0) -> None:
        """Replace the file by the present state and sync it; ``mark`` (0 to 2**63 - 1) is read back as `mark`.

        The state is the one at the beginning of the call; searches and changes go on meanwhile. Raises OSError (a
        full disk, say), after which the file is the previous snapshot; ReadOnly, IndexClosed, ValueError.
        """
        if isinstance(mark, bool) or not isinstance(mark, int) or not 0 <= mark < 2**63:
            message = f"mark must be a whole number from 0 to 2**63 - 1, not {mark!r}"
            raise ValueError(message)
        with self._writing:
            with self._changing:
                view = self._changeable(on_disk=True)
            self._header = snapshot.write(self._path, view, space=self.space, mark=mark)
            self._saved = view

    def refresh(self) -> bool:
        """Read the snapshot again if a newer one is there; True if so. A writer is always the newest: False."""
        with self._writing:
            self._state()
            if self._lock is not None:
                return False
            with snapshot.Reader(self._path) as reader:
                same = reader.header.digest == self._header.digest and reader.header == self._header
            if same:
                return False
            view, header = _load(self._path)
            snapshot.require_same(self._path, header, self.dim, self.space)
            self._view, self._saved, self._header = view, view, header
            return True

    def verify(self) -> Verified:
        """Read the whole file again and check checksum, ids and rows; raises SnapshotDamaged."""
        self._state()
        with snapshot.Reader(self._path) as reader:
            seen: list[NDArray[np.uint32]] = []
            for part, _ in reader.parts():
                slots = part.live_slots()
                rows = part.segment.rows[slots].astype(np.float32)
                lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
                if not (np.abs(lengths - 1) <= 2 * checks.NORM_TOLERANCE).all():
                    message = f"{self._path} holds rows that are not of unit length; index the vectors again"
                    raise SnapshotDamaged(message)
                seen.append(part.ids[slots])
            ids = np.concatenate(seen) if seen else np.empty(0, dtype=np.uint32)
            if len(np.unique(ids)) != len(ids):
                message = f"{self._path} holds an id twice; index the vectors again"
                raise SnapshotDamaged(message)
            return Verified(len(ids), reader.header.mark, reader.header.size)

    def stats(self) -> Stats:
        view = self._state()
        return Stats(
            rows=len(view),
            removed=sum(part.removed for part in view.parts),
            segments=len(view.parts),
            sketched_segments=sum(part.sketch is not None for part in view.parts),
            dim=self.dim,
            space=self.space,
            mark=self.mark,
            unsaved=view is not self._saved,
            memory_bytes=snapshot.total_bytes(view.parts, self.dim),
            snapshot_bytes=self._header.size,
        )

    def close(self) -> None:
        """Give up memory and lock, without writing; closing twice is harmless."""
        with self._writing, self._changing:
            self._view = self._saved = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _state(self) -> View:
        view = self._view
        if view is None:
            message = f"the index at {self._path} was closed; open it again"
            raise IndexClosed(message)
        return view

    def _changeable(self, *, on_disk: bool = False) -> View:
        view = self._state()
        if self._lock is None and (on_disk or not self._private):
            message = f"the index at {self._path} was opened read-only; the writer makes the changes"
            raise ReadOnly(message)
        return view


def _load(path: Path) -> tuple[View, snapshot.Header]:
    with snapshot.Reader(path) as reader, single_threaded_faiss():
        view = reader.view()
        return view.sketched(Rotation(view.dim)), reader.header
