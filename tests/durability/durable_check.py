"""Says what is wrong with a library after a crash: what was acknowledged and is missing, and what is half there."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select

import opsin
from opsin.catalogue import tags
from opsin.catalogue.tables import asset, content, embedding, report
from opsin.errors import OpsinError
from opsin.services.base.tagging import computed

Acknowledged = dict[str, Any]
"""One line of `opsin add --json`."""


def parse(output: bytes) -> list[Acknowledged]:
    """Return the acknowledgements in what a process wrote; a line that was cut short acknowledges nothing."""
    whole = output[: output.rfind(b"\n") + 1]
    return [msgspec.json.decode(line) for line in whole.splitlines()]


def problems(root: Path, acknowledged: Sequence[Acknowledged]) -> list[str]:
    """Open the library as its owner and return everything that is wrong with it, one sentence each."""
    try:
        with opsin.open(root) as library:
            return [*_missing(library, acknowledged), *_half_visible(library), *library.index.verify()]
    except OpsinError as error:
        return [f"the library cannot be opened: {error}"]


def _missing(library: opsin.Library, acknowledged: Sequence[Acknowledged]) -> Iterator[str]:
    expected = {str(line["id"]): line for line in acknowledged if "id" in line}
    if not expected:
        return
    found = {hit.asset.id for hit in library.search("red", everything=True, limit=1000).hits}
    for name, line in expected.items():
        try:
            view = library.get(name)
        except OpsinError as error:
            yield f"{line['source']} was acknowledged and is missing: {error}"
            continue
        if name not in found:
            yield f"{line['source']} is not found by search"
        if "asset" in line and msgspec.json.decode(msgspec.json.encode(view)) != line["asset"]:
            yield f"{line['source']} is another than was acknowledged: {view} instead of {line['asset']}"
        if view.copied:
            yield from _unreadable_copy(library, view)
    example = next(reversed(expected))
    if example in found and library.search(like=[example], everything=True, limit=1).hits[0].similarity < 0.999:
        yield f"{example} is not found by its own picture"


def _unreadable_copy(library: opsin.Library, view: opsin.AssetView) -> Iterator[str]:
    try:
        data = library._workspace.blobs.get(bytes.fromhex(view.sha256))
    except OpsinError as error:
        yield f"the copy of {view.name} is missing: {error}"
        return
    if hashlib.sha256(data).hexdigest() != view.sha256:
        yield f"the copy of {view.name} holds other bytes"


def _half_visible(library: opsin.Library) -> Iterator[str]:
    """Compare the tables with each other, with the index and with the bitmaps of tags."""
    workspace = library._workspace
    workspace.ready_to_analyse()
    with workspace.catalogue.read() as connection:
        frames = {int(row.id): int(row.frames) for row in connection.execute(select(content.c.id, content.c.frames))}
        named = set(connection.execute(select(asset.c.content_id)).scalars())
        if named != frames.keys():
            yield f"contents without a name or names without a content: {named ^ frames.keys()}"
        locations = list(connection.execute(select(asset.c.location)).scalars())
        if len(locations) != len(set(locations)):
            yield "a location has two assets"
        vectors = select(embedding.c.content_id, func.count()).group_by(embedding.c.content_id)
        if (counts := {int(number): int(n) for number, n in connection.execute(vectors)}) != frames:
            yield f"contents have {frames} frames but {counts} vectors"
        if (indexed := len(workspace.index)) != sum(counts.values()):
            yield f"the index holds {indexed} vectors, the catalogue {sum(counts.values())}"
        answered = defaultdict(set)
        for number, categorizer in connection.execute(select(report.c.content_id, report.c.categorizer)):
            answered[int(number)].add(str(categorizer))
        wanted = set(workspace.host.categorizers)
        if any(answered[number] != wanted for number in frames):
            yield f"a content lacks a report: {dict(answered)} instead of {wanted} each"
        expected = computed(workspace, connection)
        stored = tags.all_rows(connection)
        if stored != expected:
            yield f"the stored tags are {stored}, the reports and people say {expected}"
