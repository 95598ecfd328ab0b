"""The calls of `client.exports`: as those of `library.exports`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opsin.client.call import Call, Flow, Item, address, as_kind, in_field
from opsin.errors import UnknownName
from opsin.library import Export, Job
from opsin.services.base import checked
from opsin.services.moving import exporting
from opsin.services.moving.exporting import Format, VectorFormat


def ask(*, where: Sequence[str] = (), form: Format = "jsonl", vectors: VectorFormat | None = None) -> Call[Job]:
    """Have an export written, and return the job."""
    fields = {"where": list(where), "format": form, "vectors": vectors}
    return Call(method="POST", path="/v1/exports", json=fields, read=as_kind(Job), changes=True)


def list_exports() -> Call[list[Export]]:
    """Return the exports that are kept, the newest first."""
    return Call(method="GET", path="/v1/exports", read=in_field("exports", list[Export]))


def get(export: str) -> Flow[Export]:
    """Return one export; its id is that of its job.

    :raises UnknownName: where none is kept of this id.
    """
    for each in (yield list_exports()):
        if each.id == export:
            yield Item(each)
            return
    msg = f"no export {export[:100]!r} is kept: it may be unfinished, too old, or taken away"
    raise UnknownName(msg)


def download(export: str, out: str | Path, *, name: str | None = None, force: bool = False) -> Flow[Path]:
    """Fetch a file of an export, the one with the records where none is named, and return where it is now.

    :raises UsageError: where ``out`` is there and ``force`` is False.
    :raises LibraryError: where it cannot be written.
    """
    target = checked.path(out, "out")
    path = address("exports", export, *(() if name is None else (name,)))
    with exporting.whole(target, force=force) as unfinished:
        yield Call(method="GET", path=path, read=lambda _: None, into=unfinished)
    yield Item(target)


def delete(export: str) -> Call[Export]:
    """Take an export away."""
    return Call(method="DELETE", path=address("exports", export), read=as_kind(Export), changes=True)
