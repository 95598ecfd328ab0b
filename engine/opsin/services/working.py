"""Does the jobs of one library: one thread a line, the oldest job first, from start to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import jobs, outbox
from opsin.catalogue.ids import as_text, now
from opsin.catalogue.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobRow
from opsin.catalogue.outbox import NewEvent
from opsin.errors import LibraryError, OpsinError
from opsin.model import EventKind
from opsin.services.commit import Problem, problem
from opsin.services.job_kinds import KINDS, Kind, Line
from opsin.services.jobs import shown
from opsin.services.turns import Ended, Turn
from opsin.services.workspace import Workspace

_log = logging.getLogger(__name__)
_ATTEMPTS = 3
"""So often a job is begun that ends its process."""
_EVENTS: Mapping[str, EventKind] = {DONE: "job.done", FAILED: "job.failed"}
_PAUSE = 10.0
"""Seconds to wait where the catalogue cannot be written."""


class Working:
    """Threads that do the jobs of one library, from :meth:`start` to :meth:`stop`."""

    def __init__(self, workspace: Workspace, kinds: Mapping[str, Kind] = KINDS) -> None:
        self._workspace = workspace
        self._kinds = kinds
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(line,), name=f"opsin-jobs-{line}", daemon=True)
            for line in get_args(Line)
        ]

    def start(self) -> None:
        """Begin, with what an earlier process left undone."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the pieces in hand; jobs that are not done go on when somebody starts again."""
        self._stop.set()
        self._workspace.running.ring()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self, line: Line) -> None:
        kinds = [name for name, kind in self._kinds.items() if kind.line == line]
        running, taken_up = self._workspace.running, False
        while not self._stop.is_set():
            try:
                if not taken_up:
                    self._take_up(line)
                    taken_up = True
                with running.news:
                    row = self._next(kinds)
                    if row is None and not self._stop.is_set():
                        running.news.wait()
                if row is not None:
                    self._do(row)
            except LibraryError as error:
                _log.error("jobs wait: %s", error)
                self._stop.wait(_PAUSE)

    def _take_up(self, line: Line) -> None:
        """Have what an earlier process was doing done again, and say of what cannot be done that it failed."""
        with self._workspace.catalogue.write() as connection:
            for row in jobs.unfinished(connection):
                if self._line(row.kind) != line:
                    continue
                if row.kind not in self._kinds:
                    msg = f"this version of Opsin knows no job of the kind {row.kind!r}: upgrade, or ask for it anew"
                    self._end(connection, row, FAILED, failed=problem(LibraryError(msg)))
                elif row.state == RUNNING and row.attempts >= _ATTEMPTS:
                    msg = f"the process ended {row.attempts} times in the middle of it: the log of the service may say why"
                    self._end(connection, row, FAILED, failed=problem(LibraryError(msg)))
                elif row.state == RUNNING:
                    jobs.change(connection, row.id, state=QUEUED)

    def _line(self, kind: str) -> Line:
        return self._kinds[kind].line if kind in self._kinds else "long"

    def _next(self, kinds: list[str]) -> JobRow | None:
        with self._workspace.catalogue.read() as connection:
            return jobs.next_queued(connection, kinds)

    def _do(self, row: JobRow) -> None:
        """Do a job, unless it was cancelled before it began."""
        turn = Turn(self._stop)
        with self._workspace.running.has(row.id, turn):
            begun = self._begin(row)
            if begun is None:
                return
            _log.info("job %s (%s) begins", row.id, row.kind)
            state, result, failed = self._outcome(begun, turn)
            self._write_down(begun, turn, state, result, failed)
        _log.info("job %s (%s) is %s, %d of %s", row.id, row.kind, state, turn.done, turn.total)

    def _begin(self, row: JobRow) -> JobRow | None:
        with self._workspace.catalogue.write() as connection:
            found = jobs.get(connection, row.id)
            if found is None or found.state != QUEUED:
                return None
            begun = msgspec.structs.replace(
                found, state=RUNNING, started_at=found.started_at or now(), attempts=found.attempts + 1
            )
            jobs.change(connection, row.id, state=begun.state, started_at=begun.started_at, attempts=begun.attempts)
        return begun

    def _write_down(self, row: JobRow, turn: Turn, state: str, result: object, failed: Problem | None) -> None:
        """Write down what came of a job. As long as that cannot be, as on a full disk, it counts as running."""
        while True:
            try:
                with self._workspace.catalogue.write() as connection:
                    if state == QUEUED:
                        values = {"attempts": row.attempts - 1, "done": turn.done, "total": turn.total}
                        jobs.change(connection, row.id, state=QUEUED, **values)
                    else:
                        self._end(connection, row, state, turn=turn, result=result, failed=failed)
            except LibraryError as error:
                _log.error("what came of the job %s cannot be written down: %s", row.id, error)
                if self._stop.wait(_PAUSE):
                    return
            else:
                return

    def _outcome(self, row: JobRow, turn: Turn) -> tuple[str, object, Problem | None]:
        try:
            result = self._kinds[row.kind].work(self._workspace, row.given, turn)
        except Ended:
            return (CANCELLED if turn.cancelled else QUEUED), None, None
        except OpsinError as error:
            if self._stop.is_set():
                return QUEUED, None, None
            return FAILED, None, problem(error)
        except Exception as error:  # noqa: BLE001 - whatever nobody foresaw ends this job, and not those behind it
            _log.error("an error that nobody foresaw, in the job %s (%s)", row.id, row.kind, exc_info=error)
            return FAILED, None, problem(OpsinError("this should not happen; the log of the service says more"))
        return DONE, result, None

    def _end(
        self,
        connection: Connection,
        row: JobRow,
        state: str,
        *,
        turn: Turn | None = None,
        result: object = None,
        failed: Problem | None = None,
    ) -> None:
        """Write down how a job ended, tell of it, and forget those that ended long ago."""
        ended = msgspec.structs.replace(
            row,
            state=state,
            done=row.done if turn is None else turn.done,
            total=row.total if turn is None else turn.total,
            result=None if result is None else msgspec.json.encode(result),
            problem=None if failed is None else msgspec.json.encode(failed),
            finished_at=now(),
        )
        changed = ("state", "done", "total", "result", "problem", "finished_at")
        jobs.change(connection, row.id, **{name: getattr(ended, name) for name in changed})
        event = _EVENTS.get(state)
        if event is not None and self._workspace.outbox.wants(event):
            outbox.add(connection, [NewEvent(event, None, msgspec.json.encode({"job": shown(ended)}))])
        oldest = datetime.now(UTC) - timedelta(seconds=self._workspace.settings.jobs.keep)
        jobs.drop(connection, before=as_text(oldest))
