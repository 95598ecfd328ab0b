"""The vector index of an open library: opened when first used, in step with the catalogue, written to disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opsin.catalogue import Catalogue, contents, erasing
from opsin.errors import LibraryBusy, LibraryError, reason_of
from opsin.services.base.layout import Layout

if TYPE_CHECKING:
    from opsin.host.encoder import EncoderProxy
    from opsin_index import Index

_log = logging.getLogger(__name__)
_SMALL = 100_000
"""Up to so many vectors, closing always writes a snapshot; above, only a tail of a twentieth is worth it."""


class Indexed:
    """Holds the index of one library. It follows from the catalogue, and is made again from it where it is damaged.

    ``encoder`` says how large the vectors are; ``threads`` search. ``readonly``: beside the owner, as a copy of its own.
    """

    def __init__(
        self, layout: Layout, catalogue: Catalogue, encoder: Callable[[], EncoderProxy], *, threads: int, readonly: bool
    ) -> None:
        self._path = layout.index
        self._catalogue = catalogue
        self._encoder = encoder
        self._threads = threads
        self._readonly = readonly
        self._lock = threading.RLock()
        self._index: Index | None = None
        self._newest = 0
        self._erased = 0

    def current(self) -> Index:
        """Return the index, brought up to what the catalogue holds.

        :raises LibraryBusy: where another program has it open for writing.
        :raises LibraryError: where it cannot be read or written.
        """
        with self._lock:
            if self._index is None:
                self._index = self._open()
            elif self._readonly:
                self._take_up(self._index)
            return self._index

    def upsert(self, vectors: Sequence[tuple[int, NDArray[Any]]]) -> None:
        """Make committed vectors searchable. ``vectors``: (embedding row, (dim,) unit vector)."""
        if vectors:
            rows = np.array([row for row, _ in vectors], np.uint32)
            self.current().upsert(rows, np.stack([vector for _, vector in vectors]).astype(np.float32))

    def drop(self, vectors: Sequence[int]) -> None:
        """Take erased vectors out of the index, and of its snapshot."""
        if vectors and (self._index is not None or self._path.exists()):
            self.current().remove(np.array(vectors, np.uint32))
            self.snapshot()

    def snapshot(self) -> int:
        """Write the index to disk and return the last embedding row up to which it is complete.

        :raises LibraryError: where it cannot be written; the former snapshot is left as it was.
        """
        index = self.current()
        ids = index.ids()
        mark = int(ids[-1]) if len(ids) else 0
        with self._catalogue.read() as connection:
            if contents.count_up_to(connection, mark) != len(ids):
                # Something was committed, and what should have made it searchable was interrupted.
                for rows, vectors in contents.vectors_after(connection, 0):
                    lacking = ~np.isin(rows, ids)
                    index.upsert(rows[lacking], vectors[lacking])
        try:
            index.snapshot(mark=mark)
        except OSError as error:
            msg = f"cannot write the index {self._path}: {reason_of(error)}"
            raise LibraryError(msg) from error
        return mark

    def forget(self) -> None:
        """Drop the index and its snapshot; the next use makes it again from the catalogue."""
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the index back; a long tail is written to disk first."""
        if self._index is None:
            return
        ids = self._index.ids()
        tail = int((ids > self._index.mark).sum())
        if not self._readonly and (tail > len(ids) // 20 or (tail and len(ids) < _SMALL)):
            self._try_snapshot()
        self._index.close()
        self._index = None

    def _open(self) -> Index:
        from opsin_index import Index, IndexBusy, SnapshotDamaged

        path, encoder, threads = self._path, self._encoder(), self._threads
        index: Index | None = None
        if path.exists():
            try:
                # Beside the owner the index is a private copy, which takes up what the snapshot lacks.
                take = Index.private if self._readonly else Index.open
                index = take(path, dim=encoder.dim, space=encoder.space, threads=threads)
            except SnapshotDamaged as error:
                _log.warning("the index is made again from the catalogue: %s", error)
                if not self._readonly:
                    path.unlink()
            except IndexBusy as error:
                msg = f"another program has the index {path} open for writing: end it, then do it again"
                raise LibraryBusy(msg) from error
            except OSError as error:
                msg = f"cannot read the index {path} ({error.strerror or error}): check its permissions"
                raise LibraryError(msg) from error
        if index is None and self._readonly:
            index = Index.private(dim=encoder.dim, space=encoder.space, threads=threads)
        elif index is None:
            try:
                index = Index.create(path, dim=encoder.dim, space=encoder.space, threads=threads)
            except OSError as error:
                msg = f"cannot write the index {path}: {reason_of(error)}"
                raise LibraryError(msg) from error
        self._newest, self._erased = index.mark, 0
        self._take_up(index)
        return index

    def _take_up(self, index: Index) -> None:
        """Follow what was committed since, also by the owner that this process works beside: vectors came and went."""
        with self._catalogue.read() as connection:
            for rows, vectors in contents.vectors_after(connection, self._newest):
                index.upsert(rows, vectors)
                self._newest = int(rows[-1])
            gone, self._erased = erasing.vectors_since(connection, self._erased)
        if len(gone):
            index.remove(gone)

    def _try_snapshot(self) -> None:
        try:
            _log.info("the index is written to disk, complete up to row %d", self.snapshot())
        except LibraryError as error:
            _log.warning("%s; the next use makes up for it from the catalogue", error)
