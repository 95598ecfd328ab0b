"""Writes vocabularies as TOML, and changes single labels in such a text so that comments survive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from opsin.errors import SettingError, UnknownName
from opsin.model import Label, Vocabulary

FIELDS = ("name", "group", "parents", "synonyms", "prompts", "negatives", "threshold", "unseen", "names")
"""The fields of a label in the order in which they are written."""


def render_vocabulary(vocabulary: Vocabulary) -> str:
    """Return ``vocabulary`` as TOML, one label a line, with a comment above each group."""
    lines = [f"name = {_toml(vocabulary.name)}"]
    if vocabulary.summary:
        lines.append(f"summary = {_toml(vocabulary.summary)}")
    lines += ["", "[labels]"]
    group = ""
    for label in vocabulary.labels:
        if label.group != group:
            group = label.group
            lines += ["", f"# {group}"] if group else [""]
        lines.append(f"{_key(label.id)} = {_inline(_values(label))}")
    return "\n".join(lines) + "\n"


def with_label(text: str, label: Label) -> str:
    """Return ``text`` with one more label, at its end.

    :raises SettingError: where the label is there already.
    """
    document = _open(text)
    labels = document.setdefault("labels", tomlkit.table())
    if label.id in labels:
        msg = f"the label {label.id!r} is there already: edit it, or choose another id"
        raise SettingError(msg)
    labels[label.id] = _item(_values(label))
    return tomlkit.dumps(document)


def with_changes(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return ``text`` with fields of labels set: label -> field -> value; None takes a field away.

    :raises UnknownName: where there is no such label, or a label has no such field.
    """
    document = _open(text)
    for label, fields in changes.items():
        _change(document, label, fields)
    return tomlkit.dumps(document)


def _change(document: TOMLDocument, label: str, fields: Mapping[str, Any]) -> None:
    entry = _entry(document, label)
    for field, value in fields.items():
        if field not in FIELDS:
            msg = f"a label has no {field!r}; it has {', '.join(FIELDS)}"
            raise UnknownName(msg)
        if value is None:
            entry.pop(field, None)
        else:
            plain = msgspec.to_builtins(value)
            entry[field] = _item(plain) if isinstance(plain, dict) else tomlkit.item(plain)
    if isinstance(entry, InlineTable):
        # written anew, because tomlkit puts no spaces inside the braces of what it adds
        values = entry.unwrap()
        again = _item({field: values[field] for field in FIELDS if field in values})
        again.trivia.comment_ws, again.trivia.comment = entry.trivia.comment_ws, entry.trivia.comment
        document["labels"][label] = again


def without_label(text: str, label: str) -> str:
    """Return ``text`` without one label.

    :raises UnknownName: where there is no such label.
    """
    document = _open(text)
    _entry(document, label)
    del document["labels"][label]
    return tomlkit.dumps(document)


def _open(text: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        msg = f"the vocabulary is not valid TOML: {error}"
        raise SettingError(msg) from error


def _entry(document: TOMLDocument, label: str) -> InlineTable | Table:
    entry = document.get("labels", {}).get(label)
    if not isinstance(entry, InlineTable | Table):
        msg = f"the vocabulary has no label {label!r}"
        raise UnknownName(msg)
    return entry


def _values(label: Label) -> dict[str, Any]:
    values = msgspec.to_builtins(label)
    return {field: values[field] for field in FIELDS if field in values}


def _item(values: Mapping[str, Any]) -> InlineTable:
    item = tomlkit.parse(f"x = {_inline(values)}\n")["x"]
    if not isinstance(item, InlineTable):  # the line above writes one
        raise TypeError(item)
    return item


def _inline(values: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{_key(key)} = {_toml(value)}" for key, value in values.items())
    return f"{{ {inside} }}" if inside else "{}"


def _key(key: str) -> str:
    return tomlkit.key(key).as_string()


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return _inline(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return str(tomlkit.item(value).as_string())
