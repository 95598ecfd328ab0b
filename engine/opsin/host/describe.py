"""Says in one line what went wrong inside a plugin, whatever the plugin raised."""

from __future__ import annotations

from opsin.errors import OpsinError

_LONGEST = 500


def failure(error: BaseException) -> str:
    """Return what an object did that raised ``error``, to go on after its name: an error of Opsin's is a sentence of its own."""
    return f"{'failed:' if isinstance(error, OpsinError) else 'raised'} {describe(error)}"


def describe(error: BaseException) -> str:
    """Return the error's type and message in one line of at most 500 characters."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a plugin's exception class may break while it describes itself
        text = "(its message cannot be read)"
    if isinstance(error, OpsinError):
        return text[:_LONGEST]
    kind = type(error).__name__
    return (f"{kind}: {text}" if text else kind)[:_LONGEST]
