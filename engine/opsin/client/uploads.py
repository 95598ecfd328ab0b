"""Flows that send pictures: adding them, and looking at them without storing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, Unpack

import httpx
import msgspec

from opsin.client.call import Call, Flow, Item, as_kind, error_of, in_field
from opsin.client.pictures import Named, read, together
from opsin.errors import OpsinError, UsageError
from opsin.fusion import Fused
from opsin.intake.source import LeftOut, Source
from opsin.library import Job
from opsin.model import Tag
from opsin.services.assets.added import Added, AddStatus, failed
from opsin.services.assets.once import Told, unseen
from opsin.services.assets.taking import Said, require_known
from opsin.services.base import checked
from opsin.services.base.problem import Problem, problem
from opsin.services.finding.views import AssetView
from opsin.services.looking.given import Address, Picture, Upload, as_sent
from opsin.settings import Settings

_ALL = 10_000
"""Labels of a picture: more than there are."""
_ALWAYS = frozenset({"copy", "checksum"})
"""What is said of pictures that a service does in any case."""
T = TypeVar("T")
Row = TypeVar("Row", bound="_Row")


def add_each(
    *pictures: Picture,
    tags: Iterable[str] = (),
    mark_vanished: bool = False,
    views: bool = True,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
    **said: Unpack[Said],
) -> Flow[Added]:
    """Send pictures and yield what became of each: it is durable and searchable then.

    Files, folders, globs and addresses are read here, and copied into the library of the service. Options as for
    :meth:`opsin.Library.add_each`. A picture that cannot be added is yielded with its ``problem`` and ends nothing.

    :raises UsageError: for ``mark_vanished``: a service does not see the folders of this machine.
    """
    if mark_vanished:
        msg = "a service keeps copies and sees no folder of this machine: pictures vanish only where the library is"
        raise UsageError(msg)
    fields = _fields(tags, said)
    kind = _ADD if views else replace(_ADD, seen=_added_briefly)
    return _send(kind, fields, read(pictures, Settings(), listed=listed, left_out=left_out))


def add_later(*pictures: Upload | Address | bytes, tags: Iterable[str] = (), **said: Unpack[Said]) -> Call[Job]:
    """Have pictures added while nobody waits, and return the job; when this returns, their bytes are durable.

    :raises UsageError: for an option that makes no sense.
    :raises Overloaded: where too many such jobs wait already.
    """
    fields = {**_fields(tags, said), "wait": False}
    return Call(
        method="POST",
        path="/v1/assets",
        data=fields,
        files=[_sent(as_sent(each)) for each in pictures],
        read=as_kind(Job),
        changes=True,
    )


def _sent(picture: Upload | Address) -> tuple[str, tuple[str | None, bytes, str | None]]:
    """Return a picture as a part of a form; the kind of its bytes is found out there."""
    if isinstance(picture, Address):
        return "url", (None, picture.url.encode(), "text/plain")
    return "file", (picture.name or None, picture.data, "image/*")


def _fields(tags: Iterable[str], said: Said) -> dict[str, Any]:
    """Return what is said of pictures as fields of a form."""
    require_known(said)
    fields: dict[str, Any] = {key: value for key, value in said.items() if value is not None and key not in _ALWAYS}
    if "context" in fields:
        fields["context"] = msgspec.json.encode(fields["context"]).decode()
    asked = checked.texts(said.get("categorizers", ()), "categorizers")
    return {**fields, "tags": list(checked.texts(tags, "tags")), "categorizers": list(asked)}


def analyse(
    *pictures: Picture,
    auto_tag: float | None = None,
    categorizers: Sequence[str] = (),
    embedding: bool = False,
    listed: Iterable[str] = (),
    left_out: Callable[[LeftOut], None] | None = None,
) -> Flow[Told]:
    """Yield what the plugins say of each picture, in order, without storing anything."""
    fields: dict[str, Any] = {"embedding": embedding, "categorizers": list(categorizers)}
    fields |= {} if auto_tag is None else {"auto_tag": auto_tag}
    return _send(_ANALYSE, fields, read(pictures, Settings(), listed=listed, left_out=left_out))


class _Wrong(msgspec.Struct, frozen=True):
    """A problem of one of several pictures, as the service tells it."""

    code: str
    title: str
    detail: str = ""
    limit: str | None = None


class _Row(msgspec.Struct, frozen=True):
    """What the service says of one picture of several."""

    problem: _Wrong | None = None
    failed_reports: Mapping[str, str] = {}


class _Stored(_Row, frozen=True, kw_only=True):
    status: AddStatus
    asset: AssetView | None = None


class _Analysis(_Row, frozen=True, kw_only=True):
    tags: tuple[Tag, ...] = ()
    matches: tuple[Fused, ...] = ()
    attributes: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}
    embedding: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Row, T]):
    """One kind of upload: where to, and what is made of a picture's source and the row about it, or what is wrong."""

    path: str
    rows: Callable[[httpx.Response], list[Row]]
    seen: Callable[[Source, Row], T]
    unseen: Callable[[Source, OpsinError], T]
    changes: bool
    params: Mapping[str, Any] = field(default_factory=dict)


def _added(source: Source, row: _Stored) -> Added:
    return Added(
        source=source.name,
        location=source.place,
        status=row.status,
        id=None if row.asset is None else row.asset.id,
        asset=row.asset,
        failed_reports=row.failed_reports,
        problem=_problem(row.problem),
    )


def _added_briefly(source: Source, row: _Stored) -> Added:
    """Leave out the asset where nothing changed, as the library does without ``views``."""
    added = _added(source, row)
    return msgspec.structs.replace(added, asset=None) if added.status == "unchanged" else added


def _told(source: Source, row: _Analysis) -> Told:
    wrong = None if row.problem is None else error_of(row.problem.code, row.problem.detail, row.problem.limit)
    if wrong is not None:
        return unseen(source, wrong)
    return Told(
        source=source.name,
        location=source.place,
        status="seen",
        tags=row.tags,
        matches=row.matches,
        attributes=row.attributes,
        embedding=row.embedding,
        failed_reports=row.failed_reports,
    )


def _problem(wrong: _Wrong | None) -> Problem | None:
    return None if wrong is None else problem(error_of(wrong.code, wrong.detail, wrong.limit))


_ADD = _Kind("/v1/assets", in_field("results", list[_Stored]), _added, failed, changes=True)
_ANALYSE = _Kind(
    "/v1/analyse", in_field("results", list[_Analysis]), _told, unseen, changes=False, params={"top": _ALL}
)


def _send(kind: _Kind[Row, T], fields: Mapping[str, Any], pictures: Iterable[Named]) -> Flow[T]:
    for group in together(pictures):
        files = [(source, what) for source, what in group if isinstance(what, bytes)]
        answers = iter((yield _upload(kind, fields, files)) if files else ())
        for source, what in group:
            yield Item(next(answers) if isinstance(what, bytes) else kind.unseen(source, what))


def _upload(kind: _Kind[Row, T], fields: Mapping[str, Any], files: Sequence[tuple[Source, bytes]]) -> Call[list[T]]:
    def read_rows(response: httpx.Response) -> list[T]:
        return [kind.seen(source, row) for (source, _), row in zip(files, kind.rows(response), strict=True)]

    return Call(
        method="POST",
        path=kind.path,
        params=kind.params,
        data=fields,
        files=[("file", (source.name, data, None)) for source, data in files],
        read=read_rows,
        refused=lambda error: [kind.unseen(source, error) for source, _ in files],
        changes=kind.changes,
    )
