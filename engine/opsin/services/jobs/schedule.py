"""What is done from time to time without anybody asking: each time it is needed, as a job that everybody can look at."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from pyroaring import BitMap

from opsin.catalogue import erasing
from opsin.catalogue import jobs as stored
from opsin.catalogue.ids import as_text
from opsin.errors import OpsinError
from opsin.services.assets import planning
from opsin.services.base.background import Background
from opsin.services.base.workspace import Workspace
from opsin.services.jobs import jobs, sweeping
from opsin.services.jobs.job_kinds import Reanalyse

_log = logging.getLogger(__name__)
_FIRST = 60.0
"""Seconds after the start at which it is looked for the first time whether something is due: the models load before."""
_LONGEST = 21_600.0
"""The longest wait, in seconds, for what was done and is needed still, such as a picture that no plugin can take."""


class Chore(msgspec.Struct, frozen=True):
    """Something to be done every so many seconds: a job of a kind.

    ``given`` returns what the job is given, None where it is not needed.
    """

    kind: str
    every: float
    given: Callable[[Workspace], object | None]


class Schedule:
    """Looks what is due. ``clock`` tells seconds."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        settings = workspace.settings.schedule
        self._workspace = workspace
        self._clock = clock
        self._chores = (
            Chore("erase", settings.erase, _something_to_erase),
            Chore("snapshot", settings.snapshot, _index_ahead),
            Chore("sweep", settings.sweep, _something_to_sweep),
            Chore("reanalyse", settings.heal, Healing(settings.heal, clock)),
        )
        self._due = dict.fromkeys([chore.kind for chore in self._chores], clock() + _FIRST)

    def round(self) -> float:
        """Ask for the jobs that are due and needed, and return after how many seconds to look again."""
        for chore in self._chores:
            if self._due[chore.kind] <= self._clock():
                self._ask_for(chore)
                self._due[chore.kind] = self._clock() + chore.every
        return max(0.0, min(self._due.values()) - self._clock())

    def _ask_for(self, chore: Chore) -> None:
        """Ask for a chore where it is needed and nobody has asked for it."""
        try:
            with self._workspace.catalogue.read() as connection:
                if any(row.kind == chore.kind for row in stored.unfinished(connection)):
                    return
            given = chore.given(self._workspace)
            if given is not None:
                jobs.start(self._workspace, chore.kind, given)
        except OpsinError as error:
            _log.warning("%s waits: %s", chore.kind, error)


class Healing:
    """Says who is to be asked again: each categorizer that is well and whose reports are missing, failed or stale.

    Where nothing is wanting but what was asked for in vain, as of a picture whose file is gone, it waits twice as long
    each time.
    """

    def __init__(self, every: float, clock: Callable[[], float]) -> None:
        self._every = self._wait = every
        self._clock = clock
        self._tried = BitMap()
        self._until = 0.0

    def __call__(self, workspace: Workspace) -> Reanalyse | None:
        """Return what to ask for now, None where there is nothing."""
        well, known = workspace.host.well, workspace.host.categorizers.keys()
        told = Reanalyse(missing=True, stale=True, categorizers=() if well >= known else tuple(sorted(well & known)))
        if not well:
            return None
        plan = planning.plan(workspace, missing=True, stale=True, categorizers=told.categorizers)
        wanting, now = BitMap(plan.wanted), self._clock()
        if not wanting:
            return None
        if not wanting <= self._tried:
            self._wait = self._every
        elif now < self._until:
            return None
        else:
            self._wait = min(self._wait * 2, _LONGEST)
        self._tried, self._until = wanting, now + self._wait
        return told


class Scheduling(Background):
    """A thread that follows the schedule of one library."""

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


def _something_to_erase(workspace: Workspace) -> object | None:
    oldest = as_text(datetime.now(UTC) - timedelta(seconds=workspace.settings.assets.undo))
    with workspace.catalogue.read() as connection:
        return {} if erasing.hidden_until(connection, oldest, 1) else None


def _index_ahead(workspace: Workspace) -> object | None:
    ids = workspace.index.ids()
    return {} if len(ids) and int(ids[-1]) > workspace.index.mark else None


def _something_to_sweep(workspace: Workspace) -> object | None:
    return {} if sweeping.needed(workspace) else None
