"""Adding pictures: read, recognise what is known, analyse what is new, and commit in groups."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.errors import PluginError, Refused
from opsin.services.analyse import Analysed, analyse, digest
from opsin.services.commit import Added, AddOptions, Outcome, Prepared, commit
from opsin.services.following import Following
from opsin.services.reanalyse import bring_up_to_date
from opsin.services.tagging import renew
from opsin.services.views import AssetView, view_assets
from opsin.services.workspace import Workspace

if TYPE_CHECKING:
    from opsin.intake.sources import Source
    from opsin.services.vanished import Sweep

_LOOK = 16
"""So many sources are looked up in the catalogue at once."""
_WINDOW = 48
"""Pictures under way at once: enough to keep decoders and batches full, few enough to bound memory."""


_State = Future[Prepared] | Prepared | AssetRow


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
    under_way = _UnderWay(workspace)
    following = Following(workspace.settings.decode.max_bytes)
    pool = ThreadPoolExecutor(_WINDOW, thread_name_prefix="opsin-add")
    waiting: deque[tuple[Source, _State]] = deque()
    try:
        upcoming = iter(sources)
        exhausted = False
        while waiting or not exhausted:
            paused = False
            while not exhausted and not paused and len(waiting) < _WINDOW * 2:
                group, paused, exhausted = _take(upcoming)
                here = _here(workspace, group)
                if sweep is not None:
                    sweep.note(row.row for row in here.values())
                for source in group:
                    known = here.get(source.location)
                    if known is None or not _looks_unchanged(source, known, options):
                        waiting.append((source, pool.submit(under_way.prepare, source)))
                    elif options.say_something:
                        waiting.append((source, Prepared(source, known.sha256, None, None)))
                    else:
                        waiting.append((source, known))
            if waiting:
                batch = _take_done(waiting)
                shown = _shown(workspace, batch) if views else {}
                for added in commit(workspace, batch, options, following):
                    if sweep is not None and added.replaced is not None:
                        sweep.note_replaced(added.replaced)
                    yield msgspec.structs.replace(added, asset=shown[added.id]) if added.id in shown else added
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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


def _here(workspace: Workspace, group: Sequence[Source]) -> dict[str, AssetRow]:
    """Return the assets, by location, that are at these sources."""
    if not group:
        return {}
    with workspace.catalogue.read() as connection:
        return assets.at_locations(connection, {source.location for source in group})


def _looks_unchanged(source: Source, known: AssetRow, options: AddOptions) -> bool:
    """Whether the file looks as it did when it was added, so that it need not be read."""
    return (
        known.vanished_at is None
        and (known.copied or not options.copy)
        and source.size is not None
        and (source.mtime_ns is not None or source.etag is not None)
        and (known.size, known.mtime_ns, known.etag) == (source.size, source.mtime_ns, source.etag)
    )


def _shown(workspace: Workspace, batch: Sequence[tuple[Source, Outcome]]) -> dict[str, AssetView]:
    """Return the views of the unchanged assets, by id."""
    unchanged = [outcome for _, outcome in batch if isinstance(outcome, AssetRow)]
    return {view.id: view for view in view_assets(workspace, unchanged)} if unchanged else {}


def _take_done(waiting: deque[tuple[Source, _State]]) -> list[tuple[Source, Outcome]]:
    """Wait for the first in line, and take it with all behind it that are done: these share one commit."""
    taken: list[tuple[Source, Outcome]] = []
    while waiting and len(taken) < _WINDOW:
        source, state = waiting[0]
        if isinstance(state, Future) and taken and not state.done():
            break
        taken.append((source, _outcome(state)))
        waiting.popleft()
    return taken


def _outcome(state: _State) -> Outcome:
    if not isinstance(state, Future):
        return state
    try:
        return state.result()
    except (Refused, PluginError) as error:
        return error


class _UnderWay:
    """Reads and analyses sources in many threads, each content once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._first: dict[bytes, Future[Analysed]] = {}

    def prepare(self, source: Source) -> Prepared:
        data = source.read(self._workspace.settings.decode.max_bytes)
        sha256 = digest(data)
        with self._workspace.catalogue.read() as connection:
            known = contents.find(connection, sha256)
        if known is not None:
            bring_up_to_date(self._workspace, known, data)
            return Prepared(source, sha256, data, None)
        with self._lock:
            shared = self._first.get(sha256)
            mine = shared is None
            if shared is None:
                shared = self._first[sha256] = Future()
        if mine:
            self._fill(shared, sha256, data)
        return Prepared(source, sha256, data, shared.result())

    def _fill(self, shared: Future[Analysed], sha256: bytes, data: bytes) -> None:
        try:
            shared.set_result(analyse(self._workspace, data))
        except BaseException as error:
            # Whatever it was, those who wait for the same content must not wait for ever.
            shared.set_exception(error)
            raise
        finally:
            # Whoever comes later finds the content in the catalogue, or analyses it again with the same outcome.
            with self._lock:
                self._first.pop(sha256, None)
