"""A picture in pixels: what decoding gives, put together from what the process that decodes answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsin.plugin.objects import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsin.intake.formats import Format
    from opsin.intake.process import WorkerProcess
    from opsin.intake.wire import Answer
    from opsin.plugin.view import View


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture in pixels.

    ``frames``: at least one, views prepared. ``width`` and ``height``: the original's, upright. ``format`` and
    ``mime`` come from the bytes. ``frame_count``: how many frames the original holds. ``transparent``: a part was not
    opaque, and was laid on white. ``taken_at``: ISO 8601 from EXIF, with an offset where EXIF has one.
    ``orientation``: EXIF's 1..8, already applied.
    """

    frames: list[Frame]
    width: int
    height: int
    format: str
    mime: str
    frame_count: int
    transparent: bool
    taken_at: str | None
    orientation: int


def decoded(kind: Format, answer: Answer, worker: WorkerProcess, views_of: Sequence[View]) -> Decoded:
    """Return the picture that ``worker`` answered with, each frame with these views."""
    frames: list[Frame] = []
    at = 0
    for plane in answer.planes:
        pixels, at = worker.pixels(plane.height, plane.width, at)
        views = {}
        for view in views_of:
            views[view], at = worker.pixels(view.crop, view.crop, at)
        frames.append(
            Frame(
                pixels,
                width=answer.width,
                height=answer.height,
                number=plane.number,
                total=answer.frame_count,
                views=views,
            )
        )
    return Decoded(
        frames=frames,
        width=answer.width,
        height=answer.height,
        format=kind.name,
        mime=kind.mime,
        frame_count=answer.frame_count,
        transparent=answer.transparent,
        taken_at=answer.taken_at,
        orientation=answer.orientation,
    )
