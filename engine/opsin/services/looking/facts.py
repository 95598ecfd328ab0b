"""What is known of one asset's content besides its tags: what each categorizer said, and its colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from opsin.catalogue import contents
from opsin.catalogue.assets import AssetRow
from opsin.model import Report
from opsin.services.base.workspace import Workspace


class Colour(msgspec.Struct, frozen=True, kw_only=True):
    """One colour of a picture. ``label`` is its basic colour term, ``name`` the nearest CSS colour, ``share`` 0..1."""

    hex: str
    name: str
    label: str
    share: float


def failed(reports: Iterable[Report]) -> dict[str, str]:
    """Return the categorizers whose reports failed, with the reason."""
    return {report.categorizer: report.reason for report in reports if report.status == "failed"}


def reports(workspace: Workspace, row: AssetRow) -> Sequence[Report]:
    """Return what each categorizer said of the content of an asset, ordered by categorizer."""
    with workspace.catalogue.read() as connection:
        return contents.reports_of(connection, {row.content_id})[row.content_id]


def palette(workspace: Workspace, row: AssetRow) -> list[Colour]:
    """Return the colours that a picture is made of, the largest share first; none where no categorizer found colours."""
    found = [
        Colour(hex=str(tone), name=str(name), label=match.label, share=float(share))
        for report in reports(workspace, row)
        for match in report.matches
        for tone, name, share in zip(
            *(_list(match.attributes.get(key)) for key in ("hex", "names", "shares")), strict=False
        )
    ]
    return sorted(found, key=lambda colour: (-colour.share, colour.hex))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
