"""The bytes of a content, as they were when it was added: from its copy, or from where it is."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.catalogue.assets import AssetRow
from opsin.errors import OpsinError, SourceUnavailable
from opsin.services.base.workspace import Workspace
from opsin.services.looking.analyse import digest


def read_again(workspace: Workspace, named: Sequence[AssetRow]) -> bytes:
    """Return the bytes of a content from its copy, or from where one of its assets is.

    :raises SourceUnavailable: where none of them can be read, or the file holds other bytes by now.
    """
    from opsin.intake.sources import locate

    reasons: list[str] = []
    for row in named:
        if row.copied:
            return workspace.blobs.get(row.sha256)
    for row in named:
        try:
            data = locate(row.location, settings=workspace.settings).read(workspace.settings.decode.max_bytes)
            if digest(data) == row.sha256:
                return data
            reasons.append(f"{row.location} holds another picture by now: add it again")
        except OpsinError as error:
            reasons.append(str(error))
    raise SourceUnavailable("; ".join(reasons) or "the picture has no place any more")
