"""What comes of looking a library over."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at. ``remedy`` says what to do where ``state`` is not "ok"."""

    area: str
    state: State
    message: str
    remedy: str = ""
