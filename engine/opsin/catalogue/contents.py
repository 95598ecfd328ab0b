"""Contents with their embeddings and reports."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from opsin.catalogue import sqlite
from opsin.catalogue.ids import now
from opsin.catalogue.tables import content, embedding, report
from opsin.model import Match, Report

T = TypeVar("T")
_PAGE = 500
# A query that each upload asks is made once: making it costs more than asking it.
_VECTORS = (
    select(embedding.c.content_id, embedding.c.vector)
    .where(embedding.c.content_id.in_(bindparam("ids", expanding=True)))
    .order_by(embedding.c.row)
)


class NewContent(msgspec.Struct, frozen=True, kw_only=True):
    """What decoding found out about the bytes of a picture."""

    sha256: bytes
    bytes: int
    format: str
    width: int
    height: int
    frames: int
    transparent: bool
    taken_at: str | None


def find(connection: Connection, sha256: bytes) -> int | None:
    """Return the id of the content with this digest, else None."""
    return connection.execute(select(content.c.id).where(content.c.sha256 == sha256)).scalar()


def add(connection: Connection, new: Sequence[NewContent]) -> list[int]:
    """Store contents and return their ids, in order."""
    if not new:
        return []
    at = now()
    statement = insert(content).returning(content.c.id, sort_by_parameter_order=True)
    rows = [{**msgspec.structs.asdict(each), "added_at": at} for each in new]
    return [int(number) for number in connection.execute(statement, rows).scalars()]


def find_all(connection: Connection, digests: Collection[bytes]) -> dict[bytes, int]:
    """Return the ids of the contents that are known, by their digest."""
    found: dict[bytes, int] = {}
    wanted = sorted(set(digests))
    for start in range(0, len(wanted), _PAGE):
        query = select(content.c.sha256, content.c.id).where(content.c.sha256.in_(wanted[start : start + _PAGE]))
        found.update((digest, number) for digest, number in connection.execute(query))
    return found


def put_embeddings(connection: Connection, frames: Sequence[tuple[int, int, NDArray[Any]]], encoder: str) -> list[int]:
    """Store vectors as float16 and return their row numbers.

    ``frames``: (content id, number of the frame in the file, vector).
    """
    rows = [
        {"content_id": number, "frame": frame, "encoder": encoder, "vector": np.asarray(vector, "<f2").tobytes()}
        for number, frame, vector in frames
    ]
    if not rows:
        return []
    statement = insert(embedding).returning(embedding.c.row, sort_by_parameter_order=True)
    return [int(row) for row in connection.execute(statement, rows).scalars()]


def put_reports(connection: Connection, found: Mapping[int, Sequence[Report]]) -> None:
    """Store reports, content id -> reports; a newer one of the same categorizer replaces the older.

    The frame of a match comes as its place among the frames that were looked at; it is stored as its number in the file.
    """
    at = now()
    animated = [n for n, reports in found.items() if any(match.frame for r in reports for match in r.matches)]
    numbers = frame_numbers(connection, animated)
    rows = [
        {
            "content_id": number,
            "categorizer": r.categorizer,
            "revision": r.revision,
            "family": r.family,
            "status": r.status,
            "reason": r.reason,
            "matches": msgspec.json.encode(_in_file(r.matches, numbers[number]) if number in numbers else r.matches),
            "at": at,
        }
        for number, reports in found.items()
        for r in reports
    ]
    sqlite.upsert(connection, report, rows)


def _in_file(matches: Sequence[Match], numbers: Sequence[int]) -> list[Match]:
    return [msgspec.structs.replace(match, frame=numbers[match.frame]) for match in matches]


_matches = msgspec.json.Decoder(tuple[Match, ...])


_REPORTS = (
    select(
        report.c.content_id,
        report.c.categorizer,
        report.c.revision,
        report.c.family,
        report.c.status,
        report.c.matches,
        report.c.reason,
    )
    .where(report.c.content_id.in_(bindparam("ids", expanding=True)))
    .order_by(report.c.content_id, report.c.categorizer)
)
"""Made once, as making it costs more than asking it."""


_FRAMES = select(embedding.c.row, embedding.c.content_id, embedding.c.frame).where(
    embedding.c.row.in_(bindparam("rows", expanding=True))
)


def reports_of(connection: Connection, ids: Collection[int]) -> dict[int, list[Report]]:
    """Return the reports of each content, ordered by categorizer."""
    found: dict[int, list[Report]] = {number: [] for number in ids}
    for page in pages(sorted(ids)):
        for number, categorizer, revision, family, status, matches, reason in connection.execute(
            _REPORTS, {"ids": page}
        ):
            found[number].append(
                Report(
                    categorizer=categorizer,
                    revision=revision,
                    family=family,
                    status=status,
                    matches=_matches.decode(matches),
                    reason=reason,
                )
            )
    return found


def there(connection: Connection, ids: Collection[int]) -> set[int]:
    """Return which of these contents there are: others were erased."""
    query = select(content.c.id).where(sqlite.one_of(content.c.id, ids))
    return {int(number) for number in connection.execute(query).scalars()}


def revisions_of(connection: Connection, number: int) -> dict[str, str]:
    """Return the revision at which each categorizer said something about a content."""
    query = select(report.c.categorizer, report.c.revision).where(report.c.content_id == number)
    return {str(categorizer): str(revision) for categorizer, revision in connection.execute(query)}


def declined_for(connection: Connection, reason: str, ids: Collection[int] | None = None) -> dict[int, frozenset[str]]:
    """Return which categorizers declined a content for just this reason, content id -> ids; of ``ids``, None for all."""
    query = select(report.c.content_id, report.c.categorizer)
    query = query.where(report.c.status == "declined", report.c.reason == reason)
    parts = [query] if ids is None else [query.where(report.c.content_id.in_(page)) for page in pages(sorted(set(ids)))]
    found: dict[int, set[str]] = {}
    for number, categorizer in (row for part in parts for row in connection.execute(part)):
        found.setdefault(int(number), set()).add(str(categorizer))
    return {number: frozenset(names) for number, names in found.items()}


def behind(
    connection: Connection, revisions: Mapping[str, str], *, missing: bool, stale: bool
) -> dict[int, frozenset[str]]:
    """Return the contents that lack an up-to-date report, with the categorizers to ask again.

    ``missing``: no report, or a failed one. ``stale``: a report of another revision than in ``revisions``.
    """
    wanted: dict[int, set[str]] = {}
    everything = {int(number) for (number,) in connection.execute(select(content.c.id))}
    for categorizer, revision in revisions.items():
        mine = report.c.categorizer == categorizer
        if missing:
            good = {
                int(number)
                for (number,) in connection.execute(
                    select(report.c.content_id).where(mine, report.c.status != "failed")
                )
            }
            for number in everything - good:
                wanted.setdefault(number, set()).add(categorizer)
        if stale:
            query = select(report.c.content_id).where(mine, report.c.revision != revision)
            for (number,) in connection.execute(query):
                wanted.setdefault(int(number), set()).add(categorizer)
    return {number: frozenset(names) for number, names in wanted.items()}


def vectors_of(connection: Connection, ids: Collection[int]) -> dict[int, NDArray[np.float32]]:
    """Return the embeddings of the frames of each content: content id -> float32 (frames, dim)."""
    found: dict[int, list[NDArray[Any]]] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _PAGE):
        for number, vector in connection.execute(_VECTORS, {"ids": wanted[start : start + _PAGE]}):
            found.setdefault(int(number), []).append(np.frombuffer(vector, "<f2"))
    return {number: np.stack(each).astype(np.float32) for number, each in found.items()}


def vectors_after(
    connection: Connection, row: int, page: int = 5000
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.float32]]]:
    """Yield the embeddings with a row number above ``row``: uint32 (n,) and float32 (n, dim), in order."""
    while True:
        query = select(embedding.c.row, embedding.c.vector).where(embedding.c.row > row)
        found = connection.execute(query.order_by(embedding.c.row).limit(page)).all()
        if not found:
            return
        rows = np.array([r.row for r in found], np.uint32)
        vectors = np.stack([np.frombuffer(r.vector, "<f2") for r in found]).astype(np.float32)
        yield rows, vectors
        row = int(rows[-1])


def frames_of(connection: Connection, rows: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return for embedding rows their content id and the number of the frame in the file."""
    found: dict[int, tuple[int, int]] = {}
    for page in pages(sorted(rows)):
        found.update(
            (row, (content_id, frame)) for row, content_id, frame in connection.execute(_FRAMES, {"rows": page})
        )
    return found


def frame_numbers(connection: Connection, ids: Collection[int]) -> dict[int, list[int]]:
    """Return for each of these contents which frames of the file were looked at: their numbers from 0, in order."""
    found: dict[int, list[int]] = {number: [] for number in ids}
    for page in pages(sorted(ids)):
        query = select(embedding.c.content_id, embedding.c.frame).where(embedding.c.content_id.in_(page))
        for number, frame in connection.execute(query.order_by(embedding.c.content_id, embedding.c.frame)):
            found[number].append(frame)
    return found


def embedding_map(connection: Connection, after: int = 0) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the row numbers of the embeddings above ``after`` and their content ids, in row order."""
    query = select(embedding.c.row, embedding.c.content_id).where(embedding.c.row > after).order_by(embedding.c.row)
    pairs = np.array([tuple(r) for r in connection.execute(query)], np.uint32).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def count_up_to(connection: Connection, row: int) -> int:
    """Return how many embeddings have a row number of at most ``row``."""
    query = select(func.count()).select_from(embedding).where(embedding.c.row <= row)
    return int(connection.execute(query).scalar_one())


def count(connection: Connection) -> tuple[int, int]:
    """Return how many contents and how many embeddings there are."""
    contents = connection.execute(select(func.count()).select_from(content)).scalar_one()
    embeddings = connection.execute(select(func.count()).select_from(embedding)).scalar_one()
    return int(contents), int(embeddings)


def report_counts(connection: Connection) -> list[tuple[str, str, str, int]]:
    """Return (categorizer, status, revision, how many) of all reports."""
    query = select(report.c.categorizer, report.c.status, report.c.revision, func.count()).group_by(
        report.c.categorizer, report.c.status, report.c.revision
    )
    return [(str(a), str(b), str(c), int(n)) for a, b, c, n in connection.execute(query)]


def failures(connection: Connection) -> dict[str, str]:
    """Return for each categorizer that failed on a content the reason of one such report."""
    query = select(report.c.categorizer, func.max(report.c.reason)).where(report.c.status == "failed")
    return {str(name): str(reason) for name, reason in connection.execute(query.group_by(report.c.categorizer))}


def failed_counts(connection: Connection) -> dict[str, int]:
    """Return for each categorizer that failed on contents on how many; only an index is read for it."""
    query = select(report.c.categorizer, func.count()).where(report.c.status == "failed")
    return {str(name): int(n) for name, n in connection.execute(query.group_by(report.c.categorizer))}


def drop_reports(connection: Connection, categorizer: str) -> int:
    """Forget what a categorizer said, and return of how many contents."""
    return connection.execute(delete(report).where(report.c.categorizer == categorizer)).rowcount


def pages(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield ``values`` in parts that fit one statement."""
    for start in range(0, len(values), _PAGE):
        yield values[start : start + _PAGE]
