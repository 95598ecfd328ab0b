"""Checks what callers give, of whatever type it really is: texts, shares, whole numbers, facts and paths."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opsin.errors import UsageError
from opsin.plugin.vocabulary import HIDDEN

_LONGEST_OWNER = 255
_LONGEST_CAPTION = 10_000
_LONGEST_CONTEXT = 65_536
"""Characters of an owner and a caption, and bytes of a context as JSON: every page that shows an asset carries them."""
_DEEPEST_CONTEXT = 100
"""Lists and mappings of a context within each other: each takes a level of the stack wherever it is read or shown, and there are
1,000 in all. One that could be stored but not shown would end every list that it is in."""
MOST_TAGS = 200
"""Tags that may be said of an asset at once."""
_SHOWN = 60
_LONGEST_ID = 255
_PUBLIC_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]*(/[A-Za-z0-9_][A-Za-z0-9_.~-]*)*")
"""What RFC 3986 calls unreserved, in parts that are no relative ones; addresses need not escape it."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def text(value: object, what: str, longest: int | None = None) -> str:
    """Return ``value`` where it is a text that can be stored, of at most ``longest`` characters.

    :raises UsageError: where it is none, is longer, or holds half a character (a lone surrogate), as a name that is not
        UTF-8 does.
    """
    if not isinstance(value, str):
        raise _refusal(value, what, "a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        msg = f"{what} {_shown(value)} is no whole text: its character {error.start + 1} is not Unicode; leave it out"
        raise UsageError(msg) from error
    if longest is not None and len(value) > longest:
        msg = f"{what} has at most {longest:,} characters, not {len(value):,}"
        raise UsageError(msg)
    return value


def line(value: object, what: str, longest: int) -> str:
    """Return ``value`` where it is a text that shows as it is on one line, of 1 to ``longest`` characters.

    :raises UsageError: where it is empty, too long, or holds what does not show or turns the writing around.
    """
    found = text(value, what, longest)
    if not found.strip() or HIDDEN.search(found):
        msg = f"{what} {_shown(found)} has to be a line of text, without control characters"
        raise UsageError(msg)
    return found


def public_id(value: object) -> str:
    """Return ``value`` where it can name an asset in addresses: see :data:`_PUBLIC_ID`; a UUID is an asset's own id.

    :raises UsageError: where it cannot.
    """
    name = text(value, "public_id")
    if len(name) > _LONGEST_ID or not _PUBLIC_ID.fullmatch(name) or _UUID.fullmatch(name):
        msg = (
            f"{_shown(name)} cannot be a public_id: write letters A-Z a-z, digits, - _ . and ~, in parts divided by single /, "
            f"each beginning with a letter, a digit or _, up to {_LONGEST_ID} in all, and no UUID"
        )
        raise UsageError(msg)
    return name


def texts(values: object, what: str, most: int | None = None) -> tuple[str, ...]:
    """Return ``values`` where they are several texts, at most ``most``; one text alone is taken for a slip.

    :raises UsageError: saying what is wrong.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise _refusal(values, what, "a list of texts")
    found = tuple(text(value, what) for value in values)
    if most is not None and len(found) > most:
        msg = f"{what} may hold {most} texts, not {len(found):,}"
        raise UsageError(msg)
    return found


def number(value: object, what: str, least: float, most: float) -> float:
    """Return ``value`` where it is a number from ``least`` to ``most``.

    :raises UsageError: where it is not, or is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _refusal(value, what, f"a number from {least:g} to {most:g}" if math.isfinite(most) else "a number")
    return float(value)


def share(value: object, what: str) -> float:
    """Return ``value`` where it is a score or another number from 0 to 1."""
    return number(value, what, 0, 1)


def whole(value: object, what: str, least: int, most: int | None = None) -> int:
    """Return ``value`` where it is a whole number from ``least`` to ``most``.

    :raises UsageError: where it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        upwards = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise _refusal(value, what, f"a whole number {upwards}")
    return value


def said(owner: object, caption: object, context: object) -> None:
    """Check what is said of an asset; None says nothing.

    :raises UsageError: naming what cannot be said.
    """
    if owner is not None and not text(owner, "owner", _LONGEST_OWNER):
        raise UsageError("owner is empty: leave it out where a picture has none")
    if caption is not None:
        text(caption, "caption", _LONGEST_CAPTION)
    if context is not None:
        facts(context)


def facts(value: object, what: str = "context") -> dict[str, Any]:
    """Return a mapping of names to what JSON can hold.

    :raises UsageError: where it holds something else, e.g. a date, a number that is not finite, or half a character, or
        has more than 64 KiB, or more than 100 levels.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _refusal(value, what, "a mapping of names to values")
    try:
        told = json.dumps(dict(value), allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError as error:
        raise _too_deep(what) from error
    except (TypeError, ValueError) as error:
        msg = f"{what} can hold only what JSON can (texts, finite numbers, true, false, null, lists, mappings): {error}"
        raise UsageError(msg) from error
    if len(told) > _LONGEST_CONTEXT:
        msg = f"{what} has at most {_LONGEST_CONTEXT:,} bytes as JSON, not {len(told):,}"
        raise UsageError(msg)
    level: list[Any] = [value]
    for _ in range(_DEEPEST_CONTEXT):
        level = [each for one in level for each in _within(one)]
    if level:
        raise _too_deep(what)
    return dict(value)


def path(value: object, what: str) -> Path:
    """Return ``value`` as a path.

    :raises UsageError: where it is empty, or no name that a file can have.
    """
    if not isinstance(value, str | os.PathLike):
        raise _refusal(value, what, "a path")
    try:
        name = os.fsencode(value)
    except UnicodeEncodeError:
        name = b"\0"
    if not name or b"\0" in name or max(map(len, name.split(b"/"))) > 255:  # NAME_MAX of every file system in use
        raise _refusal(os.fspath(value), what, "a path that a file can have")
    return Path(os.fsdecode(name))


def _within(value: Any) -> Iterable[Any]:
    """Yield the lists and mappings that a list or mapping holds."""
    held = value.values() if isinstance(value, Mapping) else value
    return (each for each in held if isinstance(each, Mapping | list | tuple))


def _too_deep(what: str) -> UsageError:
    return UsageError(f"{what} has at most {_DEEPEST_CONTEXT} lists and mappings within each other")


def _refusal(value: object, what: str, wanted: str) -> UsageError:
    return UsageError(f"{what} has to be {wanted}, not {_shown(value)}")


def _shown(value: object) -> str:
    """Return a value for a message: short, and in characters that can be printed everywhere."""
    shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
