"""One object's lane: what waits for it, how a batch is run, halved and settled, and what its answers cost it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from opsin.errors import ContractBroken, DeadlineExceeded, PluginError
from opsin.host.health import Health
from opsin.host.target import Job, ProcessLostError, Target
from opsin.host.values import ObjectKind, ObjectStatus
from opsin.plugin import Categorizer, Extractor, Frames

if TYPE_CHECKING:
    from opsin.host.runner import Runner

log = logging.getLogger("opsin.host")

OUT_OF_USE = {"opsin": {"event": "out-of-use"}}
"""What a log record carries that says that an object is out of use, as whoever asks the object is told, too."""


class Lane:
    """The queue of one object. ``before_load`` runs in the lane's thread before the object is loaded.

    ``grounds`` names the extracted features that a categorizer rests on, with their extractors' revisions.
    """

    def __init__(
        self,
        target: Target,
        *,
        plugin: str,
        kind: ObjectKind,
        name: str,
        batch: int,
        deadline: float,
        load_deadline: float,
        health: Health,
        before_load: Callable[[], object] | None = None,
        grounds: str = "",
    ) -> None:
        self.target = target
        self.grounds = grounds
        self.plugin = plugin
        self.kind: ObjectKind = kind
        self.name = name
        self.batch = batch
        self.deadline = deadline
        self.load_deadline = load_deadline
        self.health = health
        self.before_load = before_load
        self.waiting: deque[Job] = deque()
        self.calls: deque[Job] = deque()
        self.in_hand: list[Job] = []
        self.loaded = False
        self.closing = False
        self.answered = 0
        self.failed = 0
        self.seconds = 0.0
        item = target.item
        known = item.vocabulary if isinstance(item, Categorizer) else "any"
        self.built_from = None if known == "any" else (item.revision, known.revision)
        self.runner: Runner

    @property
    def needs(self) -> frozenset[str] | Frames:
        """What a categorizer needs; nothing for extractors."""
        item = self.target.item
        if not isinstance(item, Categorizer):
            return frozenset()
        return item.needs if isinstance(item.needs, Frames) else frozenset(item.needs)

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of the features that an extractor gives; none for categorizers."""
        item = self.target.item
        return tuple(each.name for each in item.features) if isinstance(item, Extractor) else ()

    @property
    def revision(self) -> str:
        """The object's revision; a categorizer's says what it rests on, too, as other features make other scores."""
        return f"{self.target.revision} ({self.grounds})" if self.grounds else self.target.revision

    @property
    def family(self) -> str:
        """The model that a categorizer rests on."""
        return self.target.family or self.name

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name!r} of the plugin {self.plugin!r}"

    def put(self, jobs: Sequence[Job]) -> None:
        """Queue ``jobs`` in order; where the object is out of use they are settled at once with the reason."""
        self.runner.put(self, jobs)

    def refusal(self) -> PluginError | None:
        """Return why the object is out of use, or None. The caller holds the runner's lock."""
        if self.closing:
            return PluginError("the plugin host is closed")
        return None if self.health.admits() else self.out_of_use()

    def out_of_use(self) -> PluginError:
        """Return the error that says that and why the object is out of use; its ``after`` says for how long."""
        health = self.health
        return PluginError(f"the {self.title} is {health.state}: {health.reason}", after=health.after)

    def take(self) -> list[Job]:
        """Take what is next: one call, or what is waiting up to a batch. The caller holds the runner's lock."""
        if self.calls:
            self.in_hand = [self.calls.popleft()]
        else:
            self.in_hand = [self.waiting.popleft() for _ in range(min(self.batch, len(self.waiting)))]
        return list(self.in_hand)

    def work(self, jobs: list[Job]) -> None:
        """Run ``jobs`` in the runner's thread and settle each of them."""
        if (refusal := self.ensure_loaded()) is not None:
            self.settle_all(jobs, refusal)
            return
        if jobs[0].method:
            self._work_call(jobs[0])
            return
        errors: list[PluginError] = []
        crashes = _Budget(_MOST_CRASHES)
        began = time.perf_counter()
        answered = self._attempt(jobs, errors, crashes)
        with self.runner.lock:
            self.seconds += time.perf_counter() - began
            self.answered += answered
            self.failed += len(jobs) - answered
            if errors:
                self.health.last_error = str(errors[-1])
            if self.health.state in ("quarantined", "off"):
                waiting = self.drain()
            else:
                if answered:
                    self.health.answered()
                else:
                    self.health.raised(str(errors[-1]))
                waiting = self.drain() if self.health.state == "quarantined" else []
        if self.health.state == "quarantined":
            self._log_quarantine()
        if waiting:
            self.settle_all(waiting, self.out_of_use())

    def ensure_loaded(self) -> PluginError | None:
        """Load the object where it is not, and return why it cannot be used: where that failed, it is quarantined."""
        if self.loaded and self.health.state == "ready":
            return None
        with self.runner.lock:
            if not self.health.admits():
                return self.out_of_use()
            self.health.loading()
        try:
            if not self.loaded:
                if self.before_load is not None:
                    self.before_load()
                self.runner.guarded(self, self.load_deadline, self.target.load, subject="it")
        except PluginError as error:
            with self.runner.lock:
                self.health.quarantine(f"could not be loaded: {error}")
                refusal = PluginError(f"the {self.title} {self.health.reason}", after=self.health.after)
                waiting = self.drain()
            self._log_quarantine()
            self.settle_all(waiting, refusal)
            return refusal
        self.loaded = True
        with self.runner.lock:
            self.health.ready()
        return None

    def _log_quarantine(self) -> None:
        log.warning("the %s is quarantined: %s", self.title, self.health.reason, extra=OUT_OF_USE)

    def _work_call(self, job: Job) -> None:
        try:
            answer = self.runner.guarded(self, self.deadline, lambda: self.target.call(job.method, job.payload))
        except PluginError as error:
            self._note_error(error)
            job.settle(None, error)
        else:
            job.settle(answer, None)
        self.in_hand = []

    def _note_error(self, error: PluginError) -> None:
        """Count a failed call: wrong answers and lost processes quarantine, the rest is the caller's to see."""
        waiting: list[Job] = []
        with self.runner.lock:
            self.health.last_error = str(error)
            if isinstance(error, (ContractBroken, DeadlineExceeded)) and self.health.state == "ready":
                self.health.quarantine(str(error))
                error.after = self.health.after
                waiting = self.drain()
            if isinstance(error, (ProcessLostError, DeadlineExceeded)):
                self.loaded = False
        self.settle_all(waiting, error)

    def _attempt(self, jobs: list[Job], errors: list[PluginError], crashes: _Budget) -> int:
        """Run ``jobs``, in halves where the whole raises; return how many were answered."""
        refusal = None if self.loaded else self.ensure_loaded()
        if refusal is not None:
            self.settle_all(jobs, refusal)
            return 0
        try:
            answers = self.runner.guarded(self, self.deadline, lambda: self.target.run([job.payload for job in jobs]))
        except (ContractBroken, DeadlineExceeded) as error:
            errors.append(error)
            self._note_error(error)
            self.settle_all(jobs, error)
            return 0
        except PluginError as error:
            errors.append(error)
            lost = isinstance(error, ProcessLostError)
            if lost:
                self.loaded = False
                crashes.spend()
            if len(jobs) == 1 or (lost and crashes.empty) or self.closing:
                self.settle_all(jobs, error)
                return 0
            middle = len(jobs) // 2
            answered = self._attempt(jobs[:middle], errors, crashes)
            return answered + self._attempt_rest(jobs[middle:], errors, crashes)
        for job, answer in zip(jobs, answers, strict=True):
            job.settle(answer, None)
        self._done(jobs)
        return len(jobs)

    def _attempt_rest(self, jobs: list[Job], errors: list[PluginError], crashes: _Budget) -> int:
        """Run the second half, unless the first one took the object out of use."""
        if self.health.state in ("quarantined", "off") or (crashes.empty and not self.loaded):
            self.settle_all(jobs, errors[-1])
            return 0
        return self._attempt(jobs, errors, crashes)

    def give_up(self, error: DeadlineExceeded) -> list[Job]:
        """Take everything that waits, in hand or queued. The caller holds the runner's lock and settles it."""
        jobs = [*self.in_hand, *self.drain()]
        self.in_hand = []
        self.failed += len(jobs)
        self.health.last_error = str(error)
        return jobs

    def drain(self) -> list[Job]:
        """Take everything that is queued. The caller holds the runner's lock and settles it."""
        waiting = [*self.calls, *self.waiting]
        self.calls.clear()
        self.waiting.clear()
        return waiting

    def settle_all(self, jobs: Sequence[Job], error: PluginError) -> None:
        """Settle ``jobs`` with ``error``."""
        for job in jobs:
            job.settle(None, error)
        self._done(jobs)

    def _done(self, jobs: Sequence[Job]) -> None:
        if self.in_hand:
            settled = set(map(id, jobs))
            self.in_hand = [job for job in self.in_hand if id(job) not in settled]

    def status(self) -> ObjectStatus:
        """Return how this object is."""
        health = self.health
        return ObjectStatus(
            kind=self.kind,
            name=self.name,
            revision=self.revision,
            state=health.state,
            runtime=self.target.runtime,
            reason=health.reason if health.state in ("quarantined", "off") else "",
            isolated=self.target.isolated,
            waiting=len(self.waiting) + len(self.in_hand),
            answered=self.answered,
            failed=self.failed,
            seconds=self.seconds,
            declines=self.target.declines,
            last_error=health.last_error,
            next_revival=health.next_revival,
        )


_MOST_CRASHES = 6
"""How many processes one batch may cost: a batch of 8 is halved down to one guilty item within 4."""


class _Budget:
    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self) -> None:
        self._left -= 1

    @property
    def empty(self) -> bool:
        return self._left <= 0
