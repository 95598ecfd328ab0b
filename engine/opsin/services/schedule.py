"""What is done from time to time without anybody asking: each time it is needed, as a job that everybody can look at."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from opsin.catalogue import erasing
from opsin.catalogue import jobs as stored
from opsin.catalogue.ids import as_text
from opsin.errors import OpsinError
from opsin.services import jobs, reanalyse
from opsin.services.job_kinds import Reanalyse
from opsin.services.workspace import Workspace

_log = logging.getLogger(__name__)
_FIRST = 60.0
"""Seconds after the start at which it is looked for the first time whether something is due: the models load before."""
_LONGEST = 21_600.0
"""The longest wait, in seconds, for what was done and is needed still, such as a picture that no plugin can take."""


class Chore(msgspec.Struct, frozen=True):
    """Something to be done every so many seconds where it is ``needed``: a job of a kind, with what it is given.

    What may be done ``in_vain`` waits twice as long each time that it is needed still.
    """

    kind: str
    every: float
    needed: Callable[[Workspace], bool]
    given: object = {}
    in_vain: bool = False


class Schedule:
    """Looks what is due. ``clock`` tells seconds."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        settings = workspace.settings.schedule
        self._workspace = workspace
        self._clock = clock
        self._chores = (
            Chore("erase", settings.erase, _something_to_erase),
            Chore("snapshot", settings.snapshot, _index_ahead),
            Chore("reanalyse", settings.heal, _reports_missing, Reanalyse(missing=True), in_vain=True),
        )
        self._waits: dict[str, float] = {}
        self._due = dict.fromkeys([chore.kind for chore in self._chores], clock() + _FIRST)

    def round(self) -> float:
        """Ask for the jobs that are due and needed, and return after how many seconds to look again."""
        for chore in self._chores:
            if self._due[chore.kind] <= self._clock():
                wait = chore.every
                if self._ask_for(chore) and chore.in_vain:
                    wait = self._waits.get(chore.kind, chore.every)
                    self._waits[chore.kind] = min(wait * 2, _LONGEST)
                else:
                    self._waits.pop(chore.kind, None)
                self._due[chore.kind] = self._clock() + wait
        return max(0.0, min(self._due.values()) - self._clock())

    def _ask_for(self, chore: Chore) -> bool:
        """Ask for a chore where it is needed and nobody has asked for it, and return whether it is needed."""
        try:
            if not chore.needed(self._workspace):
                return False
            with self._workspace.catalogue.read() as connection:
                waiting = any(row.kind == chore.kind for row in stored.unfinished(connection))
            if not waiting:
                jobs.start(self._workspace, chore.kind, chore.given)
        except OpsinError as error:
            _log.warning("%s waits: %s", chore.kind, error)
        return True


class Scheduling:
    """A thread that follows the schedule of one library, from :meth:`start` to :meth:`stop`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opsin-schedule", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        schedule = Schedule(self._workspace)
        while not self._stop.wait(schedule.round()):
            pass


def _something_to_erase(workspace: Workspace) -> bool:
    oldest = as_text(datetime.now(UTC) - timedelta(seconds=workspace.settings.assets.undo))
    with workspace.catalogue.read() as connection:
        return bool(erasing.hidden_until(connection, oldest, 1))


def _index_ahead(workspace: Workspace) -> bool:
    ids = workspace.index.ids()
    return bool(len(ids)) and int(ids[-1]) > workspace.index.mark


def _reports_missing(workspace: Workspace) -> bool:
    return len(reanalyse.plan(workspace, missing=True)) > 0
