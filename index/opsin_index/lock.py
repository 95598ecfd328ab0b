"""The writer's lock: one process at a time may change an index."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from opsin_index.errors import IndexBusy, IndexMissing


def acquire(path: Path, *, must_exist: bool = False) -> int:
    """Take the writer's lock, held until it is closed or the process ends; the lock file stays."""
    if must_exist and not path.exists():
        message = f"there is no index at {path}; make one with Index.create"
        raise IndexMissing(message)
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        message = f"another writer has the index at {path} open; close it, or open this one with readonly=True"
        raise IndexBusy(message) from None
    except BaseException:
        os.close(handle)
        raise
    return handle
