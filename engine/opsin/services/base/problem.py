"""An error as a value: what is told of a picture, a content or a job where something was not done."""

from __future__ import annotations

from typing import Literal

import msgspec

from opsin.errors import OpsinError, PluginError, Refused


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something was not done. ``limit`` names the setting that was passed, if one was.

    ``after``: the seconds after which a plugin that is out of use is tried again.
    """

    code: str
    title: str
    message: str
    limit: str | None = None
    after: float | None = None


def problem(error: OpsinError) -> Problem:
    """Return an error as a value."""
    after = error.after if isinstance(error, PluginError) else None
    return Problem(code=error.code, title=error.title, message=str(error), limit=error.limit, after=after)


def fault(error: OpsinError) -> Literal["refused", "failed"]:
    """Return whose fault an error is: the picture's, which is refused, or a plugin's, which failed."""
    return "refused" if isinstance(error, Refused) else "failed"
