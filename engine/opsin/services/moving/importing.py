"""What comes into a library from records: owner, caption, context and people's tags, for assets that are there already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.errors import UsageError
from opsin.services.assets.people import clean_tag
from opsin.services.base import checked
from opsin.services.base.tagging import renew
from opsin.services.base.workspace import Workspace
from opsin.services.telling.events import Happened, tell, tell_of_words

_PAGE = 500
_PARQUET = b"PAR1"
"""How a Parquet file begins."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

ImportStatus = Literal["updated", "unchanged", "unmatched", "broken"]


class GivenTag(msgspec.Struct, frozen=True):
    """A tag as an export writes it; what else it says is not needed. An implied one follows from another again."""

    label: str
    by: Literal["person", "model"]
    implied: bool = False


class Incoming(msgspec.Struct, frozen=True):
    """One line: what names an asset (``location``, ``sha256`` or both), and what is to be said of it.

    A field that is left out or null changes nothing. ``tags`` may be words, which a person gave, or an export's tags, of
    which those by models are passed over; ``said`` maps labels to True (attached) or False (removed for good).
    """

    location: str | None = None
    sha256: str | None = None
    name: str | None = None
    owner: str | None = None
    caption: str | None = None
    context: Mapping[str, Any] | None = None
    tags: Sequence[str | GivenTag] = ()
    said: Mapping[str, bool] = {}


class Imported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one line. ``assets`` counts the assets that it meant; ``changed`` names the fields that changed."""

    line: int
    status: ImportStatus
    location: str = ""
    assets: int = 0
    changed: tuple[str, ...] = ()
    reason: str = ""


class ImportCounts(msgspec.Struct, kw_only=True):
    """How many lines came to what: see :class:`Imported`."""

    updated: int = 0
    unchanged: int = 0
    unmatched: int = 0
    broken: int = 0

    @property
    def total(self) -> int:
        """The number of records."""
        return self.updated + self.unchanged + self.unmatched + self.broken


def import_records(
    workspace: Workspace, lines: Iterable[bytes], progress: Callable[[Imported], None] | None = None
) -> ImportCounts:
    """Bring the records of ``lines`` (JSON, one a line) onto the assets they name.

    ``progress`` is told what became of each, once it is durable.

    An asset is known by its location, else by the SHA-256 of its bytes: then every asset of those bytes is meant, or
    that of the same name where there is one. Doing it twice changes nothing the second time.

    :raises UsageError: where it is no text, such as an export to Parquet.
    """
    numbered = ((number, line) for number, line in enumerate(_as_text(lines), 1) if line.strip())
    counts = ImportCounts()
    renew(workspace)
    while page := list(islice(numbered, _PAGE)):
        read = [(number, _read(line)) for number, line in page]
        with workspace.catalogue.write() as connection:
            said: dict[int, dict[str, bool]] = {}
            updated: list[Happened] = []
            done = [_bring(connection, number, record, said, updated) for number, record in read]
            tell_of_words(workspace, connection, said)
            tell(workspace, connection, updated)
        for each in done:
            setattr(counts, each.status, getattr(counts, each.status) + 1)
            if progress is not None:
                progress(each)
    return counts


def _as_text(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a text.

    :raises UsageError: where they are no text, of which each would be reported.
    """
    for number, line in enumerate(lines):
        if not number and (b"\0" in line or line.startswith(_PARQUET)):
            what = "a Parquet file" if line.startswith(_PARQUET) else "no text"
            msg = (
                f"this is {what}: what is imported are JSON lines in UTF-8, as `opsin export photos.jsonl` writes them"
            )
            raise UsageError(msg)
        yield line


def _read(line: bytes) -> Incoming | str:
    """Return the record of one line, or what is wrong with it."""
    try:
        record = msgspec.json.decode(line, type=Incoming)
        checked.said(record.owner, record.caption, record.context)
        _said(record)
    except msgspec.ValidationError as error:
        return f"a value is not of the kind that it has to be: {error}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        return f"it is no JSON object: {reason}"
    except UsageError as error:
        return str(error)
    if not record.location and not record.sha256:
        return "it has neither location nor sha256"
    if record.sha256 and not re.fullmatch("[0-9a-fA-F]{64}", record.sha256):
        return "its sha256 is not 64 hex digits"
    return record


def _bring(
    connection: Connection,
    number: int,
    record: Incoming | str,
    said: dict[int, dict[str, bool]],
    updated: list[Happened],
) -> Imported:
    if isinstance(record, str):
        return Imported(line=number, status="broken", reason=record)
    location = record.location or record.sha256 or ""
    found = _find(connection, record)
    if not found:
        reason = "no asset has this location or these bytes: add the picture first"
        return Imported(line=number, status="unmatched", location=location, reason=reason)
    changed: dict[str, None] = {}
    for row in found:
        fields = _apply(connection, row, record, said)
        changed.update(dict.fromkeys(fields))
        if anew := sorted({*fields} - {"tags"}):
            updated.append(Happened("asset.updated", row.row, {"changed": anew}))
    status: ImportStatus = "updated" if changed else "unchanged"
    return Imported(line=number, status=status, location=location, assets=len(found), changed=tuple(changed))


def _find(connection: Connection, record: Incoming) -> list[AssetRow]:
    if record.location:
        place = record.location
        if not _SCHEME.match(place):
            place = str(Path(place).absolute())
        here = assets.at_location(connection, place)
        if here is not None and (not record.sha256 or here.sha256.hex() == record.sha256.lower()):
            return [here]
    if record.sha256:
        number = contents.find(connection, bytes.fromhex(record.sha256))
        same = [] if number is None else assets.of_content(connection, number)
        return [row for row in same if row.name == record.name] or same
    return []


def _apply(connection: Connection, row: AssetRow, record: Incoming, page: dict[int, dict[str, bool]]) -> list[str]:
    """Write what differs, and return the names of the fields that did; what is said of labels is added to ``page``."""
    context = msgspec.json.encode(record.context, order="sorted").decode() if record.context else None
    before = msgspec.json.encode(msgspec.json.decode(row.context), order="sorted").decode() if row.context else None
    given = {"owner": record.owner, "caption": record.caption, "context": context}
    stands = {"owner": row.owner, "caption": row.caption, "context": before}
    values = {field: value for field, value in given.items() if value is not None and value != stands[field]}
    if values:
        assets.change(connection, row.row, **values)
    known = assets.person_tags(connection, {row.row})[row.row] | page.get(row.row, {})
    said = {label: present for label, present in _said(record).items() if known.get(label) != present}
    if said:
        page.setdefault(row.row, {}).update(said)
    return [*values, *(["tags"] if said else [])]


def _said(record: Incoming) -> dict[str, bool]:
    """Return the labels that people attached or removed.

    :raises UsageError: for an empty tag.
    """
    said: dict[str, bool] = {}
    for tag in record.tags:
        if isinstance(tag, str):
            said[clean_tag(tag)] = True
        elif tag.by == "person" and not tag.implied:
            said[clean_tag(tag.label)] = True
    return said | {clean_tag(label): present for label, present in record.said.items()}
