"""Looking at pictures without storing anything."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from opsin.errors import OpsinError, PluginError, Refused
from opsin.fusion import Fused, fuse
from opsin.model import Report, Tag
from opsin.services.assets.ingest import Ingest
from opsin.services.base.create import create
from opsin.services.base.layout import Layout
from opsin.services.base.pool import WINDOW
from opsin.services.base.problem import Problem, fault, problem
from opsin.services.base.tagging import joined
from opsin.services.base.workspace import Workspace
from opsin.services.looking import facts
from opsin.services.looking.analyse import vector_of
from opsin.settings import default_library

if TYPE_CHECKING:
    from opsin.intake.sources import Source


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the plugins say of one picture: the tags, and every label with its fused score.

    ``source``: its name; ``location``: its path or address, "" for bytes. ``attributes``: what categorizers add to a label, by categorizer and label. ``refused``: the picture's fault; ``failed``: a plugin's.
    ``embedding``: the encoder's unit vector, where it was asked for. ``failed_reports``: the categorizers that failed on a
    picture that was seen, with the reason.
    """

    source: str
    location: str = ""
    status: Literal["seen", "refused", "failed"]
    tags: tuple[Tag, ...]
    matches: tuple[Fused, ...]
    attributes: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}
    embedding: tuple[float, ...] | None = None
    failed_reports: Mapping[str, str] = {}
    problem: Problem | None = None


def unseen(source: Source, error: OpsinError) -> Told:
    """Return what is told of a picture that could not be looked at."""
    return Told(
        source=source.name, location=source.place, status=fault(error), tags=(), matches=(), problem=problem(error)
    )


def look(
    workspace: Workspace,
    sources: Iterable[Source | None],
    auto_tag: float | None,
    *,
    categorizers: tuple[str, ...] = (),
    embedding: bool = False,
) -> Iterator[Told]:
    """Yield what these ``categorizers`` (none named: all) say of each picture, in order; several are under way at once.

    A None among ``sources`` says that nothing comes for the moment: what was taken so far is told first.
    """
    workspace.ready_to_analyse()
    waiting: deque[Future[Told]] = deque()
    with workspace.pool.caller() as caller:
        for source in sources:
            if source is not None:
                waiting.append(caller.submit(_told, workspace, source, auto_tag, categorizers, embedding=embedding))
            while waiting and (source is None or len(waiting) >= WINDOW or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _told(
    workspace: Workspace, source: Source, auto_tag: float | None, categorizers: tuple[str, ...], *, embedding: bool
) -> Told:
    try:
        data = source.read(workspace.settings.decode.max_bytes)
        analysed = workspace.part(Ingest).analyse(data, categorizers)
    except (Refused, PluginError) as error:
        return unseen(source, error)
    reports = analysed.analysis.reports
    matches = sorted(fuse(reports, scopes=workspace.meaning.scopes), key=lambda entry: -entry.score)
    return Told(
        source=source.name,
        location=source.place,
        status="seen",
        tags=tuple(joined(workspace, reports, auto_tag)),
        matches=tuple(matches),
        attributes=_attributes(reports),
        embedding=tuple(map(float, vector_of(analysed))) if embedding else None,
        failed_reports=facts.failed(reports),
    )


def _attributes(reports: Sequence[Report]) -> dict[str, dict[str, Mapping[str, Any]]]:
    found = {
        report.categorizer: {match.label: match.attributes for match in report.matches if match.attributes}
        for report in reports
    }
    return {categorizer: labels for categorizer, labels in found.items() if labels}


@contextmanager
def place_to_look(root: Path | None, encoder: str | None) -> Iterator[tuple[Path, bool]]:
    """Yield the folder of the library and True, or that of one with the defaults, which is gone afterwards, and False."""
    place = root or default_library()
    if root is not None or Layout(place).catalogue.is_file():
        yield place, True
        return
    with tempfile.TemporaryDirectory(prefix="opsin-") as folder:
        create(Path(folder) / "library", encoder=encoder)
        yield Path(folder) / "library", False
