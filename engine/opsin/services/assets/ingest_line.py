"""The lines of those who add pictures, and the one thread that commits what is ready in all of them, group by group."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opsin.catalogue import CLOSED
from opsin.catalogue.assets import AssetRow
from opsin.errors import LibraryError, PluginError, Refused
from opsin.services.assets.added import Added, Batch, Prepared, failed

if TYPE_CHECKING:
    from opsin.intake.sources import Source
    from opsin.services.base.pool import Caller

AHEAD = 96
"""Pictures that one caller may have in its line: what is committed late must not keep the pool waiting."""
_GROUP = 48
"""Pictures of one commit, at most."""

Settled = Added | AssetRow
"""What became of a picture: an answer, or an asset that is unchanged."""
Preparing = Callable[["Source"], tuple[Prepared, object]]


class _Entry:
    """One picture in a line. ``keep`` is held as long as it is here; ``error`` ends the call."""

    __slots__ = ("error", "keep", "prepared", "settled")

    def __init__(self, prepared: Prepared | None = None, settled: Settled | None = None) -> None:
        self.prepared = prepared
        self.settled = settled
        self.error: BaseException | None = None
        self.keep: object = None


class Line:
    """One caller's pictures: they are prepared side by side, committed in order, and answered in order.

    It belongs to one thread. Leaving its ``with`` block cancels what is not being committed.
    """

    def __init__(
        self, writer: Writer, caller: Caller, prepare: Preparing, batch: Callable[[Sequence[Prepared]], Batch]
    ) -> None:
        self.batch = batch
        self._writer = writer
        self._caller = caller
        self._prepare = prepare
        self._changed = threading.Condition(writer.lock)
        self._entries: deque[_Entry] = deque()
        self._uncommitted: deque[_Entry] = deque()
        self._stopped = False
        with writer.lock:
            writer.lines.add(self)

    def __len__(self) -> int:
        """Return how many pictures were put in and not taken out again."""
        return len(self._entries)

    def put(self, source: Source) -> None:
        """Have a picture prepared and committed."""
        entry = _Entry()
        with self._writer.lock:
            self._entries.append(entry)
            self._uncommitted.append(entry)
        prepared = self._caller.submit(self._prepare, source)
        prepared.add_done_callback(lambda done: self._note(entry, source, done))

    def put_unread(self, prepared: Prepared) -> None:
        """Have a picture committed that need not be read."""
        entry = _Entry(prepared)
        with self._writer.lock:
            self._entries.append(entry)
            self._uncommitted.append(entry)
            self._go_on()

    def put_unchanged(self, row: AssetRow) -> None:
        """Take an asset of which nothing is to be written, to be answered in its turn."""
        self._entries.append(_Entry(settled=row))

    def take(self) -> list[Settled]:
        """Wait until the first picture is settled, and return it with all behind it that are.

        :raises LibraryError: where it cannot be stored, or the library was closed.
        """
        with self._writer.lock:
            while (first := self._entries[0]).settled is None:
                if first.error is not None:
                    raise first.error
                self._writer.require_open()
                self._changed.wait()
            taken: list[Settled] = []
            while self._entries and (settled := self._entries[0].settled) is not None:
                self._entries.popleft()
                taken.append(settled)
            return taken

    def close(self) -> None:
        """Cancel what is not being committed yet."""
        with self._writer.lock:
            self._stop()
            self._entries.clear()
            self._writer.lines.discard(self)
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, entry: _Entry, source: Source, done: Future[tuple[Prepared, object]]) -> None:
        """Take what came of preparing a picture, in the thread that prepared it."""
        error = None if done.cancelled() else done.exception()
        with self._writer.lock:
            if self._stopped or done.cancelled():
                return
            if error is None:
                entry.prepared, entry.keep = done.result()
            elif isinstance(error, Refused | PluginError):
                entry.settled = failed(source, error)
            else:
                entry.error = error
            self._go_on()

    # What follows is called by who holds the writer's lock.

    def take_ready(self, most: int) -> list[_Entry]:
        """Take what is to be committed next, and in turn what was behind it."""
        taken: list[_Entry] = []
        while len(taken) < most and self.ready:
            taken.append(self._uncommitted.popleft())
        if self.ready:
            self._writer.come(self)
        return taken

    @property
    def waiting(self) -> int:
        """How many pictures are prepared and not being committed yet."""
        return sum(entry.prepared is not None for entry in self._uncommitted)

    @property
    def ready(self) -> bool:
        """Whether the next picture can be committed."""
        while self._uncommitted and self._uncommitted[0].settled is not None:
            self._uncommitted.popleft()
        return bool(self._uncommitted) and self._uncommitted[0].prepared is not None

    def settle(self, entries: Sequence[_Entry], outcome: Sequence[Added] | BaseException) -> None:
        """Note what became of a commit; after one that failed, nothing behind it is committed."""
        if isinstance(outcome, BaseException):
            entries[0].error = outcome
            self._stop()
        else:
            for entry, added in zip(entries, outcome, strict=True):
                entry.settled, entry.prepared, entry.keep = added, None, None
        self.tell()

    def tell(self) -> None:
        """Wake the caller where there is something to take."""
        if self._writer.closed or (
            self._entries and (self._entries[0].settled is not None or self._entries[0].error is not None)
        ):
            self._changed.notify()

    def _go_on(self) -> None:
        if self.ready:
            self._writer.come(self)
        self.tell()

    def _stop(self) -> None:
        self._stopped = True
        self._uncommitted.clear()


class Writer:
    """The thread that commits; it starts when it is first needed. ``commit`` answers each batch, or says why it failed."""

    def __init__(self, commit: Callable[[Sequence[Batch]], Sequence[Sequence[Added] | BaseException]]) -> None:
        self.lock = threading.Lock()
        self.closed = False
        self._commit = commit
        self._wake = threading.Condition(self.lock)
        self.lines: set[Line] = set()
        self._ready: deque[Line] = deque()
        self._thread: threading.Thread | None = None

    def require_open(self) -> None:
        """Check that commits are still to be had.

        :raises LibraryError: where the library was closed.
        """
        if self.closed:
            raise LibraryError(CLOSED)

    def come(self, line: Line) -> None:
        """Have a line's next pictures committed. The caller holds the lock."""
        if line in self._ready or self.closed:
            return
        self._ready.append(line)
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="opsin-commit", daemon=True)
            thread.start()
            self._thread = thread
        self._wake.notify()

    @property
    def waiting(self) -> int:
        """How many pictures are prepared and not being committed yet."""
        with self.lock:
            return sum(line.waiting for line in self.lines)

    def close(self) -> None:
        """Wait for the commit under way, and end."""
        with self.lock:
            self.closed = True
            self._wake.notify()
            for line in self.lines:
                line.tell()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            outcomes = self._commit(
                [line.batch([e.prepared for e in entries if e.prepared]) for line, entries in group]
            )
            with self.lock:
                for (line, entries), outcome in zip(group, outcomes, strict=True):
                    line.settle(entries, outcome)

    def _next(self) -> list[tuple[Line, list[_Entry]]]:
        """Wait for pictures, and return the next group of some lines; nothing once all is closed."""
        with self.lock:
            while not self.closed:
                group: list[tuple[Line, list[_Entry]]] = []
                room = _GROUP
                ready, self._ready = self._ready, deque()
                for line in ready:
                    if taken := line.take_ready(room):
                        group.append((line, taken))
                        room -= len(taken)
                if group:
                    return group
                self._wake.wait()
            return []
