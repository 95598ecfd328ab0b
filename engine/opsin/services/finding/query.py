"""Queries: texts, pictures, assets and vectors, each with a weight, checked, and made one query vector; and cursors."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from opsin.catalogue import assets
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.tables import embedding
from opsin.errors import UnknownName, UsageError
from opsin.fusion.cutoff import Background
from opsin.services.base import checked
from opsin.services.base.unmeasured import usual_rows
from opsin.services.base.workspace import Workspace
from opsin.services.finding import facets
from opsin.services.finding.facets import Facet
from opsin.services.finding.filters import Condition
from opsin.services.looking.analyse import analyse, vector_of
from opsin.services.looking.given import Address, from_address

Vector = NDArray[np.float32]
MOST = 1000
"""Hits of one page."""
LONGEST_TEXT = 2000
"""Characters of all texts of a query together: encoders read the beginning of each, and each takes them time."""
_HEAVIEST = 1e6
LEAST = 0.5
"""The score of the cut-off."""


class Part(msgspec.Struct, frozen=True):
    """One part of a query: a text, a picture's bytes or address, an asset's id, or a vector of the encoder's space.

    A negative weight pushes away.
    """

    kind: Literal["text", "picture", "asset", "vector"]
    value: str | bytes | Address | tuple[float, ...]
    weight: float = 1.0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to search for. ``least`` is the score of the cut-off; ``everything`` shows also what it holds for no match.

    ``hybrid``: pictures are found by what they are called and by their tags, too (:mod:`opsin.services.finding.mixing`).
    ``explain``: each hit says where its place comes from. ``facets``: what is found is counted by these, too.
    """

    parts: tuple[Part, ...]
    where: tuple[Condition, ...] = ()
    limit: int = 20
    cursor: str | None = None
    everything: bool = False
    least: float = LEAST
    hybrid: bool = False
    explain: bool = False
    facets: tuple[Facet, ...] = ()


def validate(query: Query) -> None:
    """Check what a caller asks for.

    :raises UsageError: as :func:`search`.
    """
    check(query.parts)
    checked.whole(query.limit, "limit", 1, MOST)
    if query.cursor is not None:
        checked.text(query.cursor, "cursor")
    facets.validate(query.facets)


def check(parts: Sequence[Part]) -> None:
    """Check that there is something to search for.

    :raises UsageError: saying what is wrong.
    """
    if not parts:
        raise UsageError("say what to search for: words, --like a picture, or both")
    for part in parts:
        checked.number(part.weight, "a weight", -_HEAVIEST, _HEAVIEST)
        if part.kind in {"text", "asset"}:
            checked.text(part.value, "what is searched for")
        if part.kind == "text" and not str(part.value).strip():
            raise UsageError("these words are empty: say what to search for")
    length = sum(len(str(part.value)) for part in parts if part.kind == "text")
    if length > LONGEST_TEXT:
        msg = f"the texts of a query have at most {LONGEST_TEXT:,} characters together, not {length:,}: use fewer words"
        raise UsageError(msg)


def query_vector(workspace: Workspace, parts: Sequence[Part]) -> Vector:
    """Return the unit vector (dim,) of the weighted parts.

    :raises UsageError: where the parts cancel each other.
    """
    return joined_vector(*query_parts(workspace, parts))


def joined_vector(rows: NDArray[np.float32], weights: Vector) -> Vector:
    """Return the unit vector (dim,) of the sum of ``rows`` (n, dim), each times its weight (n,).

    :raises UsageError: where they cancel each other.
    """
    total = np.asarray((rows * weights[:, None]).sum(axis=0), np.float32)
    length = float(np.linalg.norm(total))
    if length < 1e-9:
        raise UsageError("the parts of this query cancel each other: nothing is left to search for")
    return total / np.float32(length)


def query_parts(workspace: Workspace, parts: Sequence[Part]) -> tuple[NDArray[np.float32], Vector]:
    """Return the unit vectors (n, dim) of the parts, and what each is multiplied with (n,).

    Each of several parts is divided by how far its similarities usually spread (:func:`usual_rows`): words and pictures differ in
    how far their similarities reach (Liang et al. 2022, "Mind the Gap"), and a weight of 1 has to mean the same for both.
    """
    encoder = workspace.ready().encoder
    texts = [str(part.value) for part in parts if part.kind == "text"]
    encoded = iter(encoder.encode_texts(texts)) if texts else iter(())
    rows = [next(encoded) if part.kind == "text" else _picture_vector(workspace, part) for part in parts]
    weights = [part.weight for part in parts]
    if len(parts) > 1:
        usual = Background.of(usual_rows(encoder, workspace.index))
        weights = [part.weight / usual.spread(row) for part, row in zip(parts, rows, strict=True)]
    return np.stack(rows).astype(np.float32), np.array(weights, np.float32)


def _picture_vector(workspace: Workspace, part: Part) -> Vector:
    if isinstance(part.value, tuple):
        return _given_vector(part.value, workspace.ready().encoder.dim)
    if not isinstance(part.value, str):
        data = part.value
        if isinstance(data, Address):
            data = from_address(data, workspace.settings).read(workspace.settings.decode.max_bytes)
        return vector_of(analyse(workspace, data))
    with workspace.catalogue.read() as connection:
        row = one_asset(assets.resolve(connection, part.value), part.value)
        ids = connection.execute(select(embedding.c.row).where(embedding.c.content_id == row.content_id)).scalars()
        rows = np.array(sorted(ids), np.uint32)
    mean: Vector = workspace.index.vectors_of(rows).mean(axis=0)
    return mean / np.linalg.norm(mean)


def _given_vector(value: tuple[float, ...], dim: int) -> Vector:
    """Return a caller's vector as a unit vector.

    :raises UsageError: where it has another length than those of the encoder, or no direction.
    """
    if len(value) != dim:
        msg = f"a vector of this library's encoder has {dim} numbers, not {len(value)}"
        raise UsageError(msg)
    vector = np.array(
        [checked.number(each, "a number of a vector", -_HEAVIEST, _HEAVIEST) for each in value], np.float64
    )
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise UsageError("this vector has no direction: all its numbers are 0")
    return np.asarray(vector / length, np.float32)


def one_asset(found: Sequence[AssetRow], name: str) -> AssetRow:
    """Return the only asset that ``name`` can mean.

    :raises UnknownName: where there is none, or more than one.
    """
    if not found:
        msg = f"there is no asset {name!r}: give an id, a path or a file name (`opsin list` shows them)"
        raise UnknownName(msg)
    if len(found) > 1:
        msg = f"{name!r} may mean {', '.join(row.location for row in found[:5])}: give the path or the id"
        raise UnknownName(msg)
    return found[0]


def _fingerprint(query: Query) -> str:
    plain = msgspec.structs.replace(query, cursor=None, limit=1, explain=False, facets=())
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:8]


def write_cursor(query: Query, seen: int) -> str:
    """Return the cursor of the page of ``query`` that begins behind ``seen`` hits."""
    return base64.urlsafe_b64encode(f"{_fingerprint(query)}:{seen}".encode()).decode().rstrip("=")


def read_cursor(query: Query) -> int:
    """Return how many hits come before the page of ``query``.

    :raises UsageError: where its cursor belongs to another query.
    """
    if not query.cursor:
        return 0
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        fingerprint, seen = base64.urlsafe_b64decode(padded).decode().split(":")
        if fingerprint == _fingerprint(query) and int(seen) >= 0:
            return int(seen)
    except ValueError:
        pass
    raise UsageError("this is no cursor, or one that belongs to another query: begin again without it")
