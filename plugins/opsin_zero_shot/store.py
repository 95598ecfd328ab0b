"""Arrays in cache files: written whole or not at all, read only where they are whole, and only so many of a kind."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def load(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays in ``path`` (npz) by name; none where there is no such file, or it is damaged."""
    try:
        # opened here, because np.load leaves a damaged file open
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        os.utime(path)  # read last, removed last
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s cannot be read (%s) and is made again", path, error)
        return {}
    return found


def save(path: Path, arrays: Mapping[str, NDArray[Any]], *, most: int) -> None:
    """Write ``arrays`` to ``path``, and keep only the ``most`` files of its kind (``kind-*.npz``) that were used last.

    A cache that cannot be written (a full disk, say) costs time at the next start and nothing else.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".new", delete=False) as aside:
            try:
                np.savez(aside, allow_pickle=False, **arrays)
                aside.close()
                Path(aside.name).replace(path)
            except BaseException:
                Path(aside.name).unlink(missing_ok=True)
                raise
        kind = path.name.partition("-")[0]
        for old in sorted(path.parent.glob(f"{kind}-*.npz"), key=_used, reverse=True)[most:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error)


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):  # another process may have removed it
        return path.stat().st_mtime
    return 0.0
