"""Looking at pictures without storing anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from opsin.errors import OpsinError
from opsin.fusion import Fused, fuse
from opsin.model import Tag
from opsin.services.analyse import analyse
from opsin.services.commit import Problem, problem
from opsin.services.create import create
from opsin.services.layout import Layout
from opsin.services.tagging import model_tags
from opsin.services.workspace import Workspace
from opsin.settings import default_library


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the plugins say of one picture: the tags, and every label with its fused score."""

    source: str
    tags: tuple[Tag, ...] = ()
    matches: tuple[Fused, ...] = ()
    problem: Problem | None = None


def tag_once(
    root: Path | None, pictures: Sequence[str], *, encoder: str | None = None, auto_tag: float | None = None
) -> Iterator[Told]:
    """Yield what the plugins say of each picture, with the library's encoder and vocabularies if there is a library."""
    from opsin.intake.sources import expand

    with _workspace(root, encoder) as workspace:
        for source in expand(list(pictures), settings=workspace.settings):
            try:
                data = source.read(workspace.settings.decode.max_bytes)
                reports = analyse(workspace, data).analysis.reports
            except OpsinError as error:
                yield Told(source=source.name, problem=problem(error))
                continue
            matches = sorted(fuse(reports, scopes=workspace.meaning.scopes), key=lambda entry: -entry.score)
            yield Told(source=source.name, tags=tuple(model_tags(workspace, reports, auto_tag)), matches=tuple(matches))


@contextmanager
def _workspace(root: Path | None, encoder: str | None) -> Iterator[Workspace]:
    """Open the library for reading, or one with the defaults that is gone afterwards."""
    place = root or default_library()
    with tempfile.TemporaryDirectory(prefix="opsin-") as folder:
        if root is None and not Layout(place).catalogue.is_file():
            place = Path(folder) / "library"
            create(place, encoder=encoder)
        workspace = Workspace(place, readonly=place == (root or default_library()), encoder=encoder)
        try:
            workspace.ready_to_analyse()
            yield workspace
        finally:
            workspace.close()
