"""What an encoder that brings no background does not say of searches, from the library's pictures themselves."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opsin.fusion.rare import RARE, Bar
from opsin.settings import cache_folder

if TYPE_CHECKING:
    from opsin.host.encoder import EncoderProxy
    from opsin_index import Index

_log = logging.getLogger(__name__)
LEAST = 20
"""With fewer vectors nothing is cut off: a person sees them all at once."""
_SAMPLE = 4096
"""Vectors that the rare things are compared with: some 20 ms, once for a library that does not grow."""
_GROWTH = 1.05


class Unmeasured:
    """Keeps the bar of one library until it has grown or shrunk by a twentieth, and the texts for longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: NDArray[np.float32] | None = None
        self._bar: Bar | None = None
        self._size = 0

    def bar(self, encoder: EncoderProxy, index: Index) -> Bar | None:
        """Return the bar of the library whose vectors ``index`` holds, the same object while it holds.

        None where they are fewer than ``LEAST``, and where the encoder brings a measured background.
        """
        size = len(index)
        if size < LEAST or len(encoder.background()):
            return None
        with self._lock:
            if self._bar is None or not self._size / _GROWTH <= size <= self._size * _GROWTH:
                if self._texts is None:
                    self._texts = _texts(encoder)
                self._bar, self._size = Bar.of(self._texts, _sample(index)), size
            return self._bar


def usual_rows(encoder: EncoderProxy, index: Index) -> NDArray[np.float32]:
    """Return unit rows, float32 (n, dim), over which similarities spread as they usually do.

    The encoder's background; where it brings none, pictures of the library; none where these are fewer than ``LEAST``.
    """
    background = encoder.background()
    return background if len(background) or len(index) < LEAST else _sample(index)


def _sample(index: Index) -> NDArray[np.float32]:
    """Return up to ``_SAMPLE`` rows: always the same of the same vectors, so that a query finds the same again."""
    ids = index.ids()
    if len(ids) > _SAMPLE:
        ids = np.sort(np.random.default_rng(0).choice(ids, _SAMPLE, replace=False))
    return index.vectors_of(ids)


def _texts(encoder: EncoderProxy) -> NDArray[np.float32]:
    """Return the vectors of the rare things, float32 (n, dim), from the cache folder where they are in it."""
    key = "|".join((encoder.space, encoder.revision, str(encoder.dim), *RARE))
    path = cache_folder() / "search" / f"rare-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
    shape = (len(RARE), encoder.dim)
    try:
        with path.open("rb") as file:
            found: NDArray[np.float32] = np.load(file, allow_pickle=False)
        if found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all():
            return found
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        _log.warning("%s cannot be read (%s) and is made again", path, error)
    rows = encoder.encode_texts(RARE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as aside:
            unfinished = Path(aside) / path.name
            np.save(unfinished, rows, allow_pickle=False)
            unfinished.replace(path)
    except OSError as error:  # a cache that cannot be written costs time at the next start and nothing else
        _log.warning("%s cannot be written: %s", path, error)
    return rows
