"""`library.jobs`: work that goes on after whoever asked for it was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Unpack

from opsin.services.assets import taking
from opsin.services.base.vocabulary import show
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import read
from opsin.services.jobs import exports, jobs, schedule, staging, working
from opsin.services.jobs.job_kinds import Reanalyse, Rescore
from opsin.services.jobs.jobs import Job, JobState
from opsin.services.looking.chosen import chosen
from opsin.services.looking.given import Address, Upload, as_sent
from opsin.services.moving.exporting import Format, VectorFormat

Several = list[Job]  # said here: in the class, `list` is a method


class Jobs:
    """The jobs of one library. They are done within ``with library.jobs.working():``, as `opsin serve` has it, and over restarts."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list(
        self, *, state: JobState | None = None, kind: str | None = None, limit: int = 50, before: str | None = None
    ) -> Several:
        """Return jobs, the newest first; ``before`` goes on behind the job of this id.

        :raises UsageError: for a state that there is not, or a limit that is too high.
        """
        return jobs.every(self._workspace, state=state, kind=kind, limit=limit, before=before)

    def get(self, job: str) -> Job:
        """Return one job, by its id or the beginning of it (8 characters or more).

        :raises UnknownName: where there is none of this id, or the beginning is that of several.
        """
        return jobs.get(self._workspace, job)

    def wait(self, job: str, timeout: float | None = None) -> Job:
        """Return a job when it is over, or after ``timeout`` seconds as it is by then.

        :raises UnknownName: where there is none of this id.
        """
        return jobs.wait(self._workspace, job, timeout)

    def events(self, job: str) -> Iterator[Job]:
        """Yield a job as it is, and then whenever it is further, until it is over.

        :raises UnknownName: where there is none of this id.
        """
        return jobs.events(self._workspace, job)

    def cancel(self, job: str) -> Job:
        """Have a job end: at once where it has not begun, else after the piece in hand; what it did stays.

        :raises UnknownName: where there is none of this id.
        """
        found = jobs.cancel(self._workspace.writable, job)
        if found.over:
            staging.drop(self._workspace, found.id)
        return found

    def add(self, *pictures: Upload | Address | bytes, tags: Iterable[str] = (), **said: Unpack[taking.Said]) -> Job:
        """Have pictures added, as :meth:`opsin.Library.add` does it; when this returns, their bytes are durable.

        :raises UsageError: for an option that makes no sense.
        :raises Overloaded: where ``jobs.waiting`` such jobs wait already.
        :raises LibraryError: where the disk is full.
        """
        workspace = self._workspace.writable
        return staging.stage(workspace, [*map(as_sent, pictures)], taking.options(workspace, tags, said))

    def reanalyse(
        self,
        *,
        categorizers: Sequence[str] = (),
        missing: bool = False,
        stale: bool = False,
        where: Sequence[str] = (),
    ) -> Job:
        """Have categorizers asked again, as :meth:`opsin.Library.reanalyse` does it, and return the job.

        :raises UsageError: for conditions that make no sense.
        :raises UnknownName: for a categorizer, tag or colour that there is not.
        """
        read(self._workspace, where)
        chosen(self._workspace, categorizers)
        given = Reanalyse(categorizers=tuple(categorizers), missing=missing, stale=stale, where=tuple(where))
        return jobs.start(self._workspace.writable, "reanalyse", given)

    def rescore(self, vocabulary: str) -> Job:
        """Have the library scored again by a vocabulary, as :meth:`Vocabularies.rescore` does it, and return the job.

        :raises UnknownName: naming the vocabularies that there are.
        """
        show(self._workspace.layout.vocabularies, vocabulary)
        return jobs.start(self._workspace.writable, "rescore", Rescore(vocabulary=vocabulary))

    def export(self, *, where: Sequence[str] = (), form: Format = "jsonl", vectors: VectorFormat | None = None) -> Job:
        """Have an export written, as :meth:`opsin.Library.export` writes it, and return the job.

        It is kept in the library for ``jobs.keep`` seconds, as `library.exports` has it, under the id of the job.

        :raises UsageError: for conditions that make no sense, and for Parquet where pyarrow is not installed.
        """
        wanted = exports.Wanted(where=tuple(where), form=form, vectors=vectors)
        return exports.ask(self._workspace.writable, wanted)

    def working(self) -> working.Working:
        """Return what does the jobs: within ``with``, or between its ``start()`` and ``stop()``.

        Stopped, it lets the piece in hand end; jobs that are not done go on when somebody works on them again.
        """
        return working.Working(self._workspace.writable)

    def scheduling(self) -> schedule.Scheduling:
        """Return what asks for jobs that are needed from time to time: within ``with``, or from ``start()`` to ``stop()``."""
        return schedule.Scheduling(self._workspace.writable)
