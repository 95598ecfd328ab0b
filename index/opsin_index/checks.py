"""What callers may pass: each function returns a checked array or raises an error that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from opsin_index.errors import BadIds, BadSearch, BadVectors
from opsin_index.hits import MISSING

#: How far from 1 the length of a vector may be: fp16 rounding moves it by 0.0005 at most, forgetting to normalise by much more.
NORM_TOLERANCE: Final = 0.01
MAX_DIM: Final = 4_096
MAX_K: Final = 1_000_000


def vectors(values: object, dim: int, *, name: str = "vectors") -> NDArray[np.float32]:
    """Rows of unit length as contiguous float32 (n, dim); float16 is widened, nothing else is converted."""
    if not isinstance(values, np.ndarray) or values.dtype not in (np.float32, np.float16):
        found = f"{values.dtype} array" if isinstance(values, np.ndarray) else type(values).__name__
        message = f"{name} must be a float32 (or float16) numpy array of shape (n, {dim}), not {found}"
        raise BadVectors(message)
    if values.ndim != 2 or values.shape[1] != dim:
        message = f"{name} must have the shape (n, {dim}), not {values.shape}"
        raise BadVectors(message)
    rows: NDArray[np.float32] = np.ascontiguousarray(values, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    good = np.abs(lengths - 1) <= NORM_TOLERANCE  # false for NaN and infinity too
    if not good.all():
        row = int(np.argmin(good))
        fault = "is not finite" if not np.isfinite(rows[row]).all() else f"has the length {lengths[row]:.4g}"
        message = f"{name}: row {row} {fault}; rows must be finite and of unit length (divide by their norm)"
        raise BadVectors(message)
    return rows


def ids(values: object, *, count: int | None = None) -> NDArray[np.uint32]:
    """Distinct ids as uint32 (n,), each below 2**32 - 1; ``count`` is the length they must have."""
    if not isinstance(values, np.ndarray) or values.dtype != np.uint32 or values.ndim != 1:
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        message = f"ids must be a uint32 numpy array of shape (n,), not {found}"
        raise BadIds(message)
    if count is not None and len(values) != count:
        message = f"there are {len(values)} ids for {count} vectors; pass as many ids as rows"
        raise BadIds(message)
    if len(values) > 1 and not (values[1:] > values[:-1]).all():
        ordered = np.sort(values)
        twice = ordered[1:] == ordered[:-1]
        if twice.any():
            message = f"id {ordered[int(np.argmax(twice))]} stands twice in one call; pass each id once"
            raise BadIds(message)
    if len(values) and values.max() == MISSING:
        message = f"id {MISSING} is reserved for missing hits; ids are 0 to {MISSING - 1}"
        raise BadIds(message)
    return values


def neighbours(k: object) -> int:
    """Return how many hits are wanted: 1 to 1,000,000."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= MAX_K:
        message = f"k must be a whole number from 1 to {MAX_K}, not {k!r}"
        raise BadSearch(message)
    return int(k)


@dataclass(frozen=True, slots=True)
class Listed:
    """A selection by its ids, strictly ascending."""

    ids: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A selection by bits: bit i % 8 of byte i // 8 says whether id i is in it."""

    bits: NDArray[np.uint8]


def selection(allowed: object) -> Listed | Bitmap | None:
    """Tell which ids may be found: None (all), strictly ascending uint32, or a packed bitmap uint8."""
    if allowed is None:
        return None
    if isinstance(allowed, np.ndarray) and allowed.ndim == 1:
        if allowed.dtype == np.uint8:
            return Bitmap(allowed)
        if allowed.dtype == np.uint32:
            if len(allowed) > 1 and not (allowed[1:] > allowed[:-1]).all():
                raise BadSearch("allowed must be strictly ascending; sort it and drop what stands twice (numpy.unique)")
            return Listed(allowed)
    raise BadSearch(
        "allowed must be None, a sorted uint32 array (n,), or a packed uint8 bitmap (numpy.packbits, little)"
    )


def dimensions(dim: int) -> None:
    """Refuse a number of dimensions that no index has."""
    if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_DIM:
        message = f"dim must be a whole number from 1 to {MAX_DIM}, not {dim!r}"
        raise ValueError(message)


def threads(count: int) -> None:
    """Refuse a number of threads that makes no sense."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1024:
        message = f"threads must be a whole number from 1 to 1024, not {count!r}"
        raise ValueError(message)
