"""Vectors of texts, and of the background: each is made once for an encoder and kept in a cache file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from opsin_zero_shot import store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from opsin import TextEncoder

    Array = NDArray[np.float32]

MOST_TEXTS = 16_384
"""So many texts are kept for an encoder, those of the vocabulary that was last changed first: 33 MB for 512 dimensions."""
MOST_ENCODERS = 4
KEY = 16  # bytes of a text's SHA-256
CHUNK = 512  # texts that are encoded in one call, which has a deadline


class Texts:
    """What ``encoder`` makes of texts. It is asked only for what ``folder`` (None: no folder) does not hold yet."""

    def __init__(self, encoder: TextEncoder, folder: Path | None = None) -> None:
        self._encoder = encoder
        name = hashlib.sha256(f"{encoder.space}|{encoder.revision}|{encoder.dim}".encode()).hexdigest()[:24]
        self._path = None if folder is None else folder / f"vectors-{name}.npz"
        self._rows: dict[bytes, Array] = {}
        self._background: Array | None = None
        if self._path is not None:
            self._take(store.load(self._path))

    def encode(self, texts: Sequence[str]) -> Array:
        """Return unit rows, float32 (n, dim)."""
        keys = [hashlib.sha256(text.encode()).digest()[:KEY] for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        names, fresh = list(missing), list(missing.values())
        for start in range(0, len(fresh), CHUNK):
            rows = self._encoder.encode_texts(fresh[start : start + CHUNK])
            self._rows.update(zip(names[start : start + CHUNK], rows, strict=True))
        # what is in use goes to the front, so that what is cut off at the end is what nobody has used for longest
        self._rows = {**{key: self._rows[key] for key in keys}, **self._rows}
        if missing:
            self._save()
        return np.stack([self._rows[key] for key in keys]) if keys else np.zeros((0, self._encoder.dim), np.float32)

    def background(self) -> Array:
        """Return unit rows of image vectors that stand for "any picture", float32 (m, dim)."""
        if self._background is None:
            self._background = np.asarray(self._encoder.background(), np.float32)
            self._save()
        return self._background

    def _take(self, found: Mapping[str, NDArray[Any]]) -> None:
        keys, rows, background = (found.get(name) for name in ("keys", "rows", "background"))
        if keys is None or rows is None or background is None:
            return
        fits = keys.ndim == 2 and rows.shape == (len(keys), self._encoder.dim) and keys.shape[1:] == (KEY,)
        if not fits or rows.dtype != np.float32 or not np.isfinite(rows).all() or not np.isfinite(background).all():
            return
        self._rows = dict(zip((key.tobytes() for key in keys), rows, strict=True))
        self._background = background if background.shape[1:] == (self._encoder.dim,) else None

    def _save(self) -> None:
        if self._path is None:
            return
        kept = dict(list(self._rows.items())[:MOST_TEXTS])
        dim = self._encoder.dim
        arrays: dict[str, NDArray[Any]] = {
            "keys": np.frombuffer(b"".join(kept), np.uint8).reshape(-1, KEY),
            "rows": np.stack(list(kept.values())) if kept else np.zeros((0, dim), np.float32),
            # without a column where nobody has asked for it yet, which is not the same as without a row
            "background": np.zeros((0, 0), np.float32) if self._background is None else self._background,
        }
        store.save(self._path, arrays, most=MOST_ENCODERS)
