"""Decides when a plugin's object may be called: quarantine, revival with back-off, and off for good."""

from __future__ import annotations

from collections.abc import Callable

from opsin.host.values import ObjectState

BATCHES_IN_A_ROW = 3

_STEEPEST = 60
"""So often a back-off is doubled at most: by then it is the longest, whatever it began with."""

Clock = Callable[[], float]


class Health:
    """The state of one object. Times are seconds of ``clock``; the caller holds the lock.

    A quarantined object is out of use for ``backoff`` seconds. When its time has come it is on probation: the next batch
    decides, and a failure doubles the back-off, up to ``longest``. ``stuck`` is True while a call that was given up has
    not returned.
    """

    def __init__(self, clock: Clock, *, backoff: float, longest: float) -> None:
        self._clock = clock
        self._backoff = backoff
        self._longest = longest
        self.state: ObjectState = "idle"
        self.reason = ""
        self.last_error = ""
        self.revival: float | None = None
        self.stuck = False
        self._raised = 0
        self._rounds = 0
        self._hangs = 0

    @property
    def next_revival(self) -> float | None:
        """Seconds until the object may be tried again; None where none is planned."""
        return None if self.revival is None else max(0.0, self.revival - self._clock())

    @property
    def rests(self) -> bool:
        """Whether the object is out of use now; asking changes nothing."""
        return self.state == "off" or (self.state == "quarantined" and self.next_revival != 0)

    @property
    def after(self) -> float | None:
        """Seconds after which it makes sense to ask again; None while the object is in use. Off, it waits for a restart."""
        return self._longest if self.state == "off" else self.next_revival

    def admits(self) -> bool:
        """Return whether the object may be called now; its time of revival may begin with this question."""
        if self.rests:
            return False
        if self.state != "quarantined":
            return True
        if self.stuck:
            self.switch_off(f"{self.reason}; its thread has not returned, so it stays off until restart")
            return False
        self.state, self.revival = "idle", None
        return True

    def loading(self) -> None:
        self.state = "loading"

    def ready(self) -> None:
        """Note that it is loaded; what happened before counts until a batch is answered."""
        self.state = "ready"

    def answered(self) -> None:
        """Note a batch of which at least one item was answered."""
        self._raised = self._rounds = 0
        self.reason = ""

    def raised(self, error: str) -> None:
        """Note a batch of which no item was answered; the third in a row quarantines, on probation the first."""
        self.last_error = error
        self._raised += 1
        if self._raised >= BATCHES_IN_A_ROW or self._rounds:
            self.quarantine(f"failed {self._raised} batches in a row: {error}")

    def quarantine(self, reason: str) -> None:
        """Take it out of use until its back-off has passed."""
        self.state, self.reason, self.last_error = "quarantined", reason, reason
        self.revival = self._clock() + min(self._backoff * 2.0 ** min(self._rounds, _STEEPEST), self._longest)
        self._rounds += 1
        self._raised = 0

    def hung(self, reason: str) -> None:
        """Note a call in this process that did not return in time: the first is quarantined, the second is off."""
        self.stuck = True
        self._hangs += 1
        if self._hangs > 1:
            self.switch_off(f"{reason} for the second time, so it stays off until restart")
        else:
            self.quarantine(reason)

    def switch_off(self, reason: str) -> None:
        """Take it out of use until the host is started again."""
        self.state, self.reason, self.last_error, self.revival = "off", reason, reason, None
