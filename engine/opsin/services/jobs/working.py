"""Does the jobs of one library: one thread a line, the oldest job first, from start to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import jobs, outbox
from opsin.catalogue.ids import as_text, now
from opsin.catalogue.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobRow
from opsin.catalogue.outbox import NewEvent
from opsin.errors import LibraryError, OpsinError, PluginError, Unwritable
from opsin.model import EventKind
from opsin.services.base.background import Background
from opsin.services.base.problem import Problem, problem
from opsin.services.base.turns import Ended, Turn
from opsin.services.base.workspace import Workspace
from opsin.services.jobs import exports
from opsin.services.jobs.job_kinds import KINDS, Kind, Line
from opsin.services.jobs.jobs import shown
from opsin.services.jobs.staging import drop, drop_abandoned

_log = logging.getLogger(__name__)
_AT_ONCE: Mapping[Line, int] = {"soon": 4, "long": 1}
"""Jobs of each line that are done at once: pictures of several are looked at together."""
_ATTEMPTS = 3
"""So often a job is begun that ends its process."""
_EVENTS: Mapping[str, EventKind] = {DONE: "job.done", FAILED: "job.failed"}
_PAUSE = 10.0
"""Seconds to wait where the library cannot be written."""


class Working(Background):
    """Threads that do the jobs of one library."""

    def __init__(self, workspace: Workspace, kinds: Mapping[str, Kind] = KINDS) -> None:
        self._workspace = workspace
        self._kinds = kinds
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(line,), name=f"opsin-jobs-{line}-{number}", daemon=True)
            for line, at_once in _AT_ONCE.items()
            for number in range(at_once)
        ]

    def start(self) -> None:
        """Begin, with what an earlier process left undone."""
        try:
            self._take_up()
            drop_abandoned(self._workspace)
            exports.clean(self._workspace, alone=True)
        except LibraryError as error:
            _log.error("what an earlier process left undone waits for the next start: %s", error)
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
        kinds = {name for name, kind in self._kinds.items() if kind.line == line}
        running = self._workspace.running
        while not self._stop.is_set():
            try:
                with running.news:  # of several threads one takes a job
                    taken = self._take(kinds)
                    if taken is None and not self._stop.is_set():
                        running.news.wait()
                if taken is not None:
                    self._do(*taken)
            except LibraryError as error:
                _log.error("jobs wait: %s", error)
                self._stop.wait(_PAUSE)

    def _take_up(self) -> None:
        """Have what an earlier process was doing done again, and say of what cannot be done that it failed."""
        with self._workspace.catalogue.write() as connection:
            for row in jobs.unfinished(connection):
                if row.kind not in self._kinds:
                    msg = f"this version of Opsin knows no job of the kind {row.kind!r}: upgrade, or ask for it anew"
                    self._end(connection, row, FAILED, failed=problem(LibraryError(msg)))
                elif row.state == RUNNING and row.attempts >= _ATTEMPTS:
                    msg = f"the process ended {row.attempts} times in the middle of it: the log of the service may say why"
                    self._end(connection, row, FAILED, failed=problem(LibraryError(msg)))
                elif row.state == RUNNING:
                    jobs.change(connection, row.id, state=QUEUED)

    def _take(self, kinds: Collection[str]) -> tuple[JobRow, Turn] | None:
        """Begin with the oldest job of these kinds that waits, unless it is cancelled just now."""
        with self._workspace.catalogue.read() as connection:
            found = jobs.next_queued(connection, kinds)
        if found is None:
            return None
        turn = Turn(found.id, self._stop)
        values = {"state": RUNNING, "started_at": found.started_at or now(), "attempts": found.attempts + 1}
        with self._workspace.catalogue.write() as connection:
            if not jobs.begin(connection, found.id, **values):
                return None
            self._workspace.running.put(turn)
        return msgspec.structs.replace(found, **values), turn

    def _do(self, row: JobRow, turn: Turn) -> None:
        _log.info("job %s (%s) begins", row.id, row.kind)
        try:
            state, result, failed = self._outcome(row, turn)
            self._write_down(row, turn, state, result, failed)
        finally:
            self._workspace.running.drop(turn)
        _log.info("job %s (%s) is %s, %d of %s", row.id, row.kind, state, turn.done, turn.total)

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
                if state != QUEUED:
                    drop(self._workspace, row.id)
            except LibraryError as error:
                _log.error("what came of the job %s cannot be written down: %s", row.id, error)
                if self._stop.wait(_PAUSE):
                    return
            else:
                return

    def _outcome(self, row: JobRow, turn: Turn) -> tuple[str, object, Problem | None]:
        try:
            result = self._work(row, turn)
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

    def _work(self, row: JobRow, turn: Turn) -> object:
        """Do a job and return its result; one that is kept is begun anew when what was out of order may be asked again."""
        kind = self._kinds[row.kind]
        while True:
            try:
                return kind.work(self._workspace, row.given, turn)
            except (Unwritable, PluginError) as error:
                pause = _PAUSE if isinstance(error, Unwritable) else error.after
                if pause is None or not kind.kept:
                    raise
                _log.error("the job %s (%s) waits: %s", row.id, row.kind, error)
            turn.pause(pause)
            turn.begin_anew()

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
            given=b"{}",
            finished_at=now(),
        )
        changed = ("state", "given", "done", "total", "result", "problem", "finished_at")
        jobs.change(connection, row.id, **{name: getattr(ended, name) for name in changed})
        event = _EVENTS.get(state)
        if event is not None and self._workspace.outbox.wants(event):
            outbox.add(connection, [NewEvent(event, None, msgspec.json.encode({"job": shown(ended)}))])
        oldest = datetime.now(UTC) - timedelta(seconds=self._workspace.settings.jobs.keep)
        jobs.drop(connection, before=as_text(oldest))
