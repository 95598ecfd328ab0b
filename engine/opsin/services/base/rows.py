"""Which assets there are, the rows of their contents' vectors, and of tags that nobody could store: kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap
from sqlalchemy import Connection

from opsin.catalogue import assets, contents


class WorkedOut(NamedTuple):
    """The rows of every tag, where a library that is only read has stored outdated ones, for one state of it."""

    version: int
    rules: str
    rows: Mapping[str, BitMap]


class Rows:
    """What a filter needs to know of every asset, without reading it again: 4 bytes an asset and 4 a vector.

    Every method reads what was committed since the last call, also by another process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._change = 0
        self._contents = np.zeros(1, np.uint32)  # by asset row; 0: there is no such asset
        self._gone = BitMap()
        self._all = BitMap()
        self._newest = 0
        self._owners = np.zeros(1, np.uint32)  # content id by vector row; 0: there is no such vector

    def present(self, connection: Connection) -> BitMap:
        """Return the assets that have not vanished."""
        with self._lock:
            self._read_assets(connection)
            return self._all - self._gone

    def vanished(self, connection: Connection) -> BitMap:
        """Return the assets whose file is gone."""
        with self._lock:
            self._read_assets(connection)
            return self._gone.copy()

    def everything(self, connection: Connection) -> BitMap:
        """Return all assets; what is deleted is none."""
        with self._lock:
            self._read_assets(connection)
            return self._all.copy()

    def contents_of(self, connection: Connection, chosen: BitMap) -> NDArray[np.uint32]:
        """Return the content id of each of these assets, in their order."""
        with self._lock:
            self._read_assets(connection)
            return self._contents[np.array(chosen.to_array(), np.int64)]

    def vectors_of(self, connection: Connection, chosen: BitMap) -> NDArray[np.uint32]:
        """Return the rows of the vectors of these assets' contents, sorted."""
        owners = self.contents_of(connection, chosen)
        with self._lock:
            self._read_vectors(connection)
            wanted = np.zeros(max(int(self._owners.max()), int(owners.max(initial=0))) + 1, np.bool_)
            wanted[owners] = True
            wanted[0] = False  # of an asset that was erased meanwhile
            return np.flatnonzero(wanted[self._owners]).astype(np.uint32)

    def _read_assets(self, connection: Connection) -> None:
        found = assets.changed_since(connection, self._change)
        if not len(found):
            return
        rows, owners, state, changes = found.T
        self._contents = _grown(self._contents, int(rows.max()))
        self._contents[rows] = owners
        self._all -= BitMap(rows.astype(np.uint32))
        self._all.update(rows[state < 2].astype(np.uint32))
        self._gone -= BitMap(rows.astype(np.uint32))
        self._gone.update(rows[state == 1].astype(np.uint32))
        self._change = int(changes[-1])

    def _read_vectors(self, connection: Connection) -> None:
        rows, owners = contents.embedding_map(connection, self._newest)
        if len(rows):
            self._newest = int(rows[-1])
            self._owners = _grown(self._owners, self._newest)
            self._owners[rows] = owners


def _grown(array: NDArray[np.uint32], last: int) -> NDArray[np.uint32]:
    """Return the array, made longer where ``last`` lies behind its end."""
    return array if last < len(array) else np.concatenate([array, np.zeros(last + 1 - len(array), np.uint32)])
