"""From bytes to features and reports: decode once, extract, categorize. Nothing is stored here."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from opsin.catalogue.contents import NewContent
from opsin.services.base.workspace import Workspace
from opsin.services.looking.chosen import LEFT_OUT, among, is_left_out, joined

if TYPE_CHECKING:
    from opsin.host import Analysis
    from opsin.intake.decoded import Decoded


class Analysed(msgspec.Struct, frozen=True):
    """One picture as decoding and the plugins see it. ``frames`` are the numbers in the file of those looked at.

    ``edition`` is that of the workspace when the categorizers were asked.
    """

    content: NewContent
    frames: tuple[int, ...]
    analysis: Analysis
    edition: int

    def with_more(self, other: Analysed) -> Analysed:
        """Return this with what ``other`` says of the same content where a categorizer was left out."""
        reports = joined(self.analysis.reports, other.analysis.reports)
        return msgspec.structs.replace(self, analysis=dataclasses.replace(self.analysis, reports=reports))


def digest(data: bytes) -> bytes:
    """Return the SHA-256 of a content: its identity."""
    return hashlib.sha256(data).digest()


def analyse(workspace: Workspace, data: bytes, categorizers: Sequence[str] = ()) -> Analysed:
    """Decode ``data`` and ask every extractor and these ``categorizers`` (none named: all); blocks until all have answered.

    Of a categorizer that is not asked there is a report that says so.

    :raises Refused: where it is no picture, or passes a limit.
    :raises PluginError: where the encoder cannot answer.
    """
    with workspace.stages.timed("decode"):
        decoded = workspace.decoder.submit(data).result()
    edition = workspace.edition
    with workspace.stages.timed("analyse"):
        asked = among(workspace, categorizers) if categorizers else None
        analysis = workspace.host.submit(decoded.frames, asked, wait=True).result()
        if asked is not None:
            unasked = workspace.host.unasked(asked, LEFT_OUT)
            analysis = dataclasses.replace(analysis, reports=(*analysis.reports, *unasked))
    frames = tuple(frame.number for frame in decoded.frames)
    return Analysed(content=describe(data, decoded), frames=frames, analysis=analysis, edition=edition)


def judged_anew(workspace: Workspace, analysed: Analysed) -> Analysed:
    """Return what the categorizers of the present vocabularies say of a picture, from its features alone.

    What those said that look at the picture itself stays where they are what they were, else it is left to healing.
    """
    edition, host = workspace.edition, workspace.host
    before = analysed.analysis.reports
    asked = host.categorizers.keys() - {each.categorizer for each in before if is_left_out(each)}
    seeing = {name for name in asked if not host.categorizers[name]}
    said = [each for each in before if each.categorizer in seeing]
    revisions = host.revisions({each.categorizer for each in said})
    kept = [each for each in said if each.revision == revisions[each.categorizer]]
    fresh = host.categorize(analysed.analysis.features, asked - seeing)
    reports = (*kept, *fresh, *host.unasked(asked, LEFT_OUT))
    return msgspec.structs.replace(
        analysed, analysis=dataclasses.replace(analysed.analysis, reports=reports), edition=edition
    )


def vector_of(analysed: Analysed) -> NDArray[np.float32]:
    """Return what a search for a picture goes by: the unit vector (dim,) in the middle of those of its frames."""
    mean = np.stack([features["embedding"] for features in analysed.analysis.features]).astype(np.float32).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def describe(data: bytes, decoded: Decoded) -> NewContent:
    """Return the catalogue's entry for a decoded picture."""
    return NewContent(
        sha256=digest(data),
        bytes=len(data),
        format=decoded.format,
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frame_count,
        transparent=decoded.transparent,
        taken_at=decoded.taken_at,
    )
