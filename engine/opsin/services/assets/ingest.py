"""Everything that takes pictures in, for all callers of an open library: one pool prepares, one thread commits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import msgspec

from opsin.catalogue import contents
from opsin.services.assets.added import Added, AddOptions, Batch, Prepared, is_copied
from opsin.services.assets.commit import answer, write
from opsin.services.assets.following import Following
from opsin.services.assets.ingest_line import Line, Writer
from opsin.services.assets.reanalyse import bring_up_to_date
from opsin.services.base.workspace import Workspace
from opsin.services.looking.analyse import Analysed, analyse, digest

if TYPE_CHECKING:
    from opsin.intake.sources import Source


class IngestStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How much is under way: pictures that nobody has begun with, that are being prepared, and that await their commit."""

    waiting: int = 0
    preparing: int = 0
    committing: int = 0


class Shared:
    """One content's analysis, for all who have it at the same time."""

    def __init__(self) -> None:
        self.future: Future[Analysed] = Future()


class Ingest:
    """What an open library takes pictures in with. Its thread starts when it is first needed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._under_way: WeakValueDictionary[tuple[bytes, tuple[str, ...]], Shared] = WeakValueDictionary()
        self._writer = Writer(self._commit)

    def line(self, options: AddOptions) -> Line:
        """Return a line that takes one caller's sources, of which ``options`` are said."""
        following = Following(self._workspace.settings.decode.max_bytes)
        return Line(
            self._writer,
            self._workspace.pool.caller(),
            lambda source: self._prepare(source, options),
            lambda prepared: Batch(prepared, options, following),
        )

    def analyse(self, data: bytes, categorizers: tuple[str, ...] = ()) -> Analysed:
        """Analyse a picture, in a thread of the pool, together with others who ask the same of the same one.

        ``categorizers`` are asked, all where none is named.

        :raises Refused: where it is no picture, or passes a limit.
        :raises PluginError: where the encoder cannot answer.
        """
        return self._shared(digest(data), data, categorizers).future.result()

    def status(self) -> IngestStatus:
        """Return how much is under way."""
        pool = self._workspace.pool
        return IngestStatus(waiting=pool.waiting, preparing=pool.busy, committing=self._writer.waiting)

    def close(self) -> None:
        """Finish the group that is being committed; whoever waits for more is told that the library was closed."""
        self._writer.close()

    def _prepare(self, source: Source, options: AddOptions) -> tuple[Prepared, Shared | None]:
        """Read a source, look at it, and make its copy durable.

        Whoever comes with the same content, and the same categorizers to ask, as long as what is returned lives does not
        analyse it again.
        """
        workspace = self._workspace
        with workspace.stages.timed("read"):
            data = source.read(workspace.settings.decode.max_bytes)
        sha256 = digest(data)
        with workspace.catalogue.read() as connection:
            known = contents.find(connection, sha256)
        shared = analysed = None
        if known is not None:
            bring_up_to_date(workspace, known, data, options.categorizers)
        else:
            shared = self._shared(sha256, data, options.categorizers)
            analysed = shared.future.result()
        written = False
        if is_copied(source, options):
            with workspace.stages.timed("store"):
                written = workspace.blobs.put(sha256, data)
        return Prepared(source, sha256, data, analysed, copied=written and known is not None), shared

    def _shared(self, sha256: bytes, data: bytes, categorizers: tuple[str, ...]) -> Shared:
        key = sha256, categorizers
        with self._lock:
            shared = self._under_way.get(key)
            mine = shared is None
            if shared is None:
                shared = self._under_way[key] = Shared()
        if mine:
            try:
                shared.future.set_result(analyse(self._workspace, data, categorizers))
            except BaseException as error:  # noqa: BLE001 - whatever it was, those who wait must not wait for ever
                with self._lock:  # an error may live on in a traceback; who comes with the picture again asks again
                    self._under_way.pop(key, None)
                shared.future.set_exception(error)
        return shared

    def _commit(self, batches: Sequence[Batch]) -> list[list[Added] | BaseException]:
        """Store batches and return what became of each; where one cannot be stored, the others are."""
        try:
            with self._workspace.stages.timed("commit"):
                groups = write(self._workspace, batches)
        except BaseException as error:  # noqa: BLE001 - whatever it was, it is raised where the answer is taken
            if len(batches) == 1:
                return [error]
            return [outcome for batch in batches for outcome in self._commit([batch])]
        try:
            return [*answer(self._workspace, groups)]
        except BaseException as error:  # noqa: BLE001 - as above
            return [error] * len(batches)
