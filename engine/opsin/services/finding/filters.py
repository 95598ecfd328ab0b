"""Conditions that choose assets: ``tag=dog``, ``width>=800``, ``taken>=2025-01-01``; what they mean as rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from pyroaring import BitMap
from sqlalchemy import Column, ColumnElement, false, func, not_, or_

from opsin.catalogue import assets, tags
from opsin.catalogue.assets import AssetRow
from opsin.catalogue.tables import asset, content
from opsin.errors import UsageError
from opsin.intake.formats import BY_NAME, FORMATS
from opsin.plugin.vocabulary import label_id
from opsin.services.base import checked
from opsin.services.base.meaning import unknown_label
from opsin.services.base.tagging import rows_with
from opsin.services.base.workspace import Workspace

_CONDITION = re.compile(r"([a-z_]+)\s*(!=|>=|<=|=|>|<)(.*)", re.DOTALL)
_MOST = 100
_MOST_VALUES = 500
"""Conditions of one question, and values of all of them: SQLite takes expressions no deeper than 1,000."""
_LONGEST_VALUE = 8192
_SIZES = {"": 1, "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "g": 1000**3, "gb": 1000**3}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda column, value: column == value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}
_NUMBERS = {"width": content.c.width, "height": content.c.height, "bytes": content.c.bytes, "frames": content.c.frames}
_TIMES = {"added": asset.c.added_at, "taken": content.c.taken_at}
_TEXTS = {"owner": asset.c.owner, "format": content.c.format, "name": asset.c.name, "location": asset.c.location}
_TEXTS |= {"public_id": asset.c.public_id}
_BY_TAG = frozenset({"tag", "color"})
_FORMATS = {word: entry.name for entry in FORMATS for word in (entry.name, *(end[1:] for end in entry.endings))}
"""The stored format that a word means: its name, or what a file's name ends in."""
FIELDS = ("tag", "color", *_NUMBERS, *_TIMES, *_TEXTS, "vanished")
"""What a condition may ask about."""


Check = Callable[[AssetRow, Collection[str]], bool]
"""Given an asset and its labels, whether it meets a condition."""


class Condition(msgspec.Struct, frozen=True):
    """One condition: ``field``, ``operator`` and the values of which one has to fit."""

    field: str
    operator: str
    values: tuple[str, ...]


def parse(text: str, label_of: Callable[[str], str] = label_id) -> Condition:
    """Read a condition such as ``tag=dog|cat``, ``tag!=toy``, ``bytes>2mb`` or ``taken<2024-06``.

    ``label_of`` returns the label that a word means.

    :raises UsageError: saying what is wrong with it and what would be right.
    """
    found = _CONDITION.fullmatch(checked.text(text, "a condition").strip())
    if found is None or found[1] not in FIELDS:
        msg = f"{text!r} is no condition: write FIELD=VALUE (or != > >= < <=) with a field of {', '.join(FIELDS)}"
        raise UsageError(msg)
    field, operator, rest = found.groups()
    values = tuple(value.strip() for value in rest.split("|"))
    if not all(values):
        msg = f"{text!r} has an empty value"
        raise UsageError(msg)
    if max(map(len, values)) > _LONGEST_VALUE:
        msg = f"a value of a condition has at most {_LONGEST_VALUE:,} characters, which one of {field} passes"
        raise UsageError(msg)
    ordered = field in _NUMBERS or field in _TIMES
    if operator not in {"=", "!="} and (not ordered or len(values) > 1):
        msg = f"{text!r}: {field} can be compared with = and != only" if not ordered else f"{text!r} has several values"
        raise UsageError(msg)
    if field == "tag":
        values = tuple(label_of(value) for value in values)
    if field == "format":
        values = tuple(map(_format, values))
    condition = Condition(field, operator, values)
    if field == "vanished":
        _vanished(condition)
    elif field not in _BY_TAG:
        _clause(condition)
    return condition


def read(workspace: Workspace, texts: Sequence[str]) -> tuple[Condition, ...]:
    """Read conditions whose words mean what they mean in this library.

    :raises UsageError: saying what is wrong with one and what would be right.
    :raises UnknownName: for a tag or colour that nobody knows, naming what looks like it.
    """
    if len(given := checked.texts(texts, "where")) > _MOST:
        msg = f"there are {len(given):,} conditions, and {_MOST} may be asked for at once"
        raise UsageError(msg)
    conditions = tuple(parse(text, workspace.meaning.label_of) for text in given)
    if (count := sum(len(condition.values) for condition in conditions)) > _MOST_VALUES:
        msg = f"the conditions have {count:,} values together, and {_MOST_VALUES} are allowed: ask in several parts"
        raise UsageError(msg)
    labels = workspace.meaning.labels
    strange = [
        name for condition in conditions for name in condition.values if not _names(condition, name) & labels.keys()
    ]
    if any(condition.field in _BY_TAG for condition in conditions) and strange:
        with workspace.catalogue.read() as connection:
            known = labels.keys() | tags.labels(connection) | assets.person_labels(connection)
        for condition in conditions:
            for name in condition.values:
                if condition.field in _BY_TAG and not _names(condition, name) & known:
                    raise unknown_label(name, known)
    return conditions


def rows_matching(workspace: Workspace, conditions: Sequence[Condition]) -> BitMap:
    """Return the rows of the assets that meet every condition.

    Vanished assets are left out unless a condition asks for them (``vanished=yes``, or ``vanished=any``).
    """
    by_tag = [condition for condition in conditions if condition.field in _BY_TAG]
    gone = [condition for condition in conditions if condition.field == "vanished"]
    plain = [_clause(condition) for condition in conditions if condition not in by_tag and condition not in gone]
    names = {name for condition in by_tag for value in condition.values for name in _names(condition, value)}
    tagged = rows_with(workspace, names) if names else {}
    with workspace.catalogue.read() as connection:
        rows = workspace.rows.everything(connection) if gone else workspace.rows.present(connection)
        for condition in gone:
            if (wanted := _vanished(condition)) is not None:
                vanished = workspace.rows.vanished(connection)
                rows = rows & vanished if wanted else rows - vanished
        if plain:
            rows &= BitMap(assets.rows_where(connection, plain))
    for condition in by_tag:
        chosen = BitMap.union(
            BitMap(), *(tagged[name] for value in condition.values for name in _names(condition, value))
        )
        rows = rows - chosen if condition.operator == "!=" else rows & chosen
    return rows


def owner_of(conditions: Sequence[Condition]) -> str | None:
    """Return the one owner of whatever meets all conditions; None where they leave several, or none at all."""
    asked = [
        each.values[0] for each in conditions if (each.field, each.operator, len(each.values)) == ("owner", "=", 1)
    ]
    return next((owner for owner in asked if "*" not in owner), None)


def check_of(condition: Condition) -> Check:
    """Return what says whether one asset with these labels meets a condition, as :func:`rows_matching` has it of all."""
    field, operator, values = condition.field, condition.operator, condition.values
    if field == "vanished":
        wanted = {None, _vanished(condition)} if _vanished(condition) is not None else {True, False}
        return lambda row, _: (row.vanished_at is not None) in wanted
    if operator == "!=":
        met = check_of(Condition(field, "=", values))
        return lambda row, labels: not met(row, labels)
    if field in _BY_TAG:
        names = {name for value in values for name in _names(condition, value)}
        return lambda _, labels: not names.isdisjoint(labels)
    column = str((_NUMBERS | _TIMES | _TEXTS)[field].key)
    if field in _TEXTS:
        return _text_check(column, values)
    tests = [_test_of(field, operator, value) for value in values]

    def check(row: AssetRow, _labels: Collection[str]) -> bool:
        found = getattr(row, column)
        return found is not None and any(test(found) for test in tests)

    return check


def _test_of(field: str, operator: str, value: str) -> Callable[[Any], bool]:
    if field in _NUMBERS:
        compare, number = _COMPARE[operator], _number(value)
        return lambda found: bool(compare(found, number))
    moment = _moment(value)
    return lambda found: bool(_in_time(operator, found, moment))


def _text_check(column: str, values: Sequence[str]) -> Check:
    """Return what says whether a text is one of ``values``: looked up, as thousands of saved searches ask for an owner."""
    patterns = [value for value in values if "*" in value]
    plain = frozenset(values).difference(patterns)

    def check(row: AssetRow, _labels: Collection[str]) -> bool:
        found = getattr(row, column)
        return found in plain or bool(patterns and found is not None and any(_fits(found, each) for each in patterns))

    return check


def _fits(text: str, pattern: str) -> bool:
    """Whether a text is like a pattern with ``*``, each of which stands for anything."""
    first, *rest = pattern.split("*")
    if not text.startswith(first):
        return False
    place = len(first)
    for part in rest[:-1]:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - len(rest[-1]) >= place and text.endswith(rest[-1])


def _names(condition: Condition, value: str) -> set[str]:
    """Return the labels that stand for a value of a condition."""
    name = label_id(value)
    return {name, f"{name}_color"} if condition.field == "color" else {name}


def _format(text: str) -> str:
    """Return the stored format that a value means, or the pattern that it is.

    :raises UsageError: where no picture can have it.
    """
    word = text.lower()
    found = _FORMATS.get(word, word)
    if not any(_fits(name, found) if "*" in found else name == found for name in BY_NAME):
        msg = f"{text!r} is no format of pictures that Opsin reads: write {', '.join(BY_NAME)}"
        raise UsageError(msg)
    return found


def _vanished(condition: Condition) -> bool | None:
    """Return whether the assets have to have vanished; None where both will do."""
    if condition.values == ("any",):
        return None
    if condition.values not in {("yes",), ("no",)}:
        msg = f"vanished={'|'.join(condition.values)}: write yes, no or any"
        raise UsageError(msg)
    return (condition.values == ("yes",)) == (condition.operator == "=")


def _clause(condition: Condition) -> ColumnElement[bool]:
    field, operator, values = condition.field, condition.operator, condition.values
    if operator == "!=":
        return not_(func.coalesce(_clause(Condition(field, "=", values)), false()))
    if field in _NUMBERS:
        return or_(*(_COMPARE[operator](_NUMBERS[field], _number(value)) for value in values))
    if field in _TIMES:
        return or_(*(_time(field, operator, value) for value in values))
    return or_(*(_text(_TEXTS[field], value) for value in values))


def _text(column: Column[Any], value: str) -> ColumnElement[bool]:
    """Compare exactly, unless there is a ``*``, which stands for anything."""
    return column.bool_op("GLOB")(value.replace("[", "[[]").replace("?", "[?]")) if "*" in value else column == value


def _number(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.lower())
    if found is None or found[2] not in _SIZES:
        msg = f"{text!r} is no number (digits, then k, m or g if you like)"
        raise UsageError(msg)
    number = float(found[1]) * _SIZES[found[2]]
    if number >= 2**63:
        msg = f"{text!r} is larger than anything that can be counted"
        raise UsageError(msg)
    return round(number)


def _time(field: str, operator: str, text: str) -> ColumnElement[bool]:
    """Compare a column of ISO 8601 texts with a year, month, day or moment."""
    clause: ColumnElement[bool] = _in_time(operator, _TIMES[field], _moment(text))
    return clause


def _moment(text: str) -> str:
    """Return a year, month, day or moment as ISO 8601.

    :raises UsageError: where it is none.
    """
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2})?Z?)?)?)?", text):
        msg = f"{text!r} is no date: write 2026, 2026-11, 2026-11-23 or 2026-11-23T14:05"
        raise UsageError(msg)
    try:
        datetime.fromisoformat(text + "0001-01-01"[len(text) :])
    except ValueError as error:
        msg = f"{text!r} is no date: {error}"
        raise UsageError(msg) from error
    return text.replace(" ", "T").removesuffix("Z")


def _in_time(operator: str, found: Any, moment: str) -> Any:
    """Compare a time, or a column of times, with a moment; a day means all of it."""
    last = moment + "\x7f"  # sorts behind every text that begins with the date
    if operator == "=":
        return (found >= moment) & (found <= last)
    return _COMPARE[operator](found, last if operator in {">", "<="} else moment)
