"""Adding pictures: what looks unchanged is recognised, everything else goes into a line of the ingest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.services.assets.added import Added, AddOptions, Prepared
from opsin.services.assets.ingest import Ingest
from opsin.services.assets.ingest_line import AHEAD, Settled
from opsin.services.base.tagging import renew
from opsin.services.base.workspace import Workspace
from opsin.services.finding.views import view_assets
from opsin.services.looking.chosen import LEFT_OUT, among

if TYPE_CHECKING:
    from opsin.intake.sources import Source
    from opsin.services.assets.vanished import Sweep

_LOOK = 16
"""So many sources are looked up in the catalogue at once."""


def add(
    workspace: Workspace,
    sources: Iterable[Source | None],
    options: AddOptions,
    *,
    sweep: Sweep | None = None,
    views: bool = True,
) -> Iterator[Added]:
    """Add pictures and yield, for each in turn, what became of it, once that is durable and searchable.

    A None among ``sources`` says that nothing comes for the moment: what was taken so far is settled first. ``sweep`` is
    told which assets were found. Without ``views``, unchanged assets come as their id alone, which saves reading them.

    A picture that is refused, or an encoder that fails, ends nothing: it is that picture's ``problem``.
    Stopping in the middle loses nothing that was yielded; the next call goes on where this one stopped.

    :raises LibraryError: where the catalogue or a copy cannot be written, e.g. on a full disk.
    """
    workspace.ready_to_analyse()
    renew(workspace)
    _ = workspace.index
    with workspace.part(Ingest).line(options) as line:
        upcoming = iter(sources)
        exhausted = False
        while len(line) or not exhausted:
            paused = False
            while not exhausted and not paused and len(line) < AHEAD:
                group, paused, exhausted = _take(upcoming)
                here, more = _here(workspace, group, options)
                if sweep is not None:
                    sweep.note(row.row for row in here.values())
                for source in group:
                    known = here.get(source.location)
                    more_asked = known is not None and known.row in more
                    if known is None or more_asked or not _looks_unchanged(workspace, source, known, options):
                        line.put(source)
                    elif options.say_something:
                        line.put_unread(Prepared(source, known.sha256, None, None))
                    else:
                        line.put_unchanged(known)
            if len(line):
                for added in _told(workspace, line.take(), views=views):
                    if sweep is not None and added.replaced is not None:
                        sweep.note_replaced(added.replaced)
                    yield added


def _take(upcoming: Iterator[Source | None]) -> tuple[list[Source], bool, bool]:
    """Return the next sources, whether nothing more comes for the moment, and whether nothing more comes at all."""
    group: list[Source] = []
    while len(group) < _LOOK:
        try:
            source = next(upcoming)
        except StopIteration:
            return group, False, True
        if source is None:
            return group, True, False
        group.append(source)
    return group, False, False


def _here(
    workspace: Workspace, group: Sequence[Source], options: AddOptions
) -> tuple[dict[str, AssetRow], frozenset[int]]:
    """Return the assets, by location, that are at these sources, and the rows of those of which more is asked now."""
    if not group:
        return {}, frozenset()
    with workspace.catalogue.read() as connection:
        here = assets.at_locations(connection, {source.location for source in group})
        left_out = contents.declined_for(connection, LEFT_OUT, [row.content_id for row in here.values()])
    asked = among(workspace, options.categorizers) if left_out else frozenset()
    return here, frozenset(row.row for row in here.values() if asked & left_out.get(row.content_id, frozenset()))


def _looks_unchanged(workspace: Workspace, source: Source, known: AssetRow, options: AddOptions) -> bool:
    """Whether the file looks as it did when it was added, and its copy, if one is wanted, so that it need not be read."""
    return (
        not options.checksum
        and known.vanished_at is None
        and known.deleted_at is None
        and (not options.copy or (known.copied and workspace.blobs.is_whole(known.sha256, known.bytes)))
        and source.size is not None
        and (source.mtime_ns is not None or source.etag is not None)
        and (known.size, known.mtime_ns, known.etag) == (source.size, source.mtime_ns, source.etag)
    )


def _told(workspace: Workspace, settled: Sequence[Settled], *, views: bool) -> Iterator[Added]:
    """Yield the answers, in order; unchanged assets with their views, unless these are not wanted."""
    unchanged = [each for each in settled if isinstance(each, AssetRow)]
    shown = {view.id: view for view in view_assets(workspace, unchanged)} if views and unchanged else {}
    for each in settled:
        if isinstance(each, AssetRow):
            yield Added(
                source=each.name, location=each.location, status="unchanged", id=each.id, asset=shown.get(each.id)
            )
        else:
            yield each
