"""Takes events to webhooks: in order for each asset, again after a failure, over restarts, at least once.

Up to ``seen`` a webhook was told of every event, or a delivery in the catalogue says what it waits for. Both are written
after some events were sent: what was not written yet when the process ended is sent again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection

from opsin.catalogue import outbox
from opsin.catalogue.ids import now
from opsin.catalogue.outbox import DEAD, WAITING, DeliveryRow, EventRow, WebhookRow
from opsin.errors import LibraryError, Refused
from opsin.services.base.background import Background
from opsin.services.base.outbox import matches
from opsin.services.base.workspace import Workspace
from opsin.services.telling.webhooks import letter

if TYPE_CHECKING:
    from opsin.intake.posting import Poster

_log = logging.getLogger(__name__)
_AT_ONCE = 20
_LONGEST_TURN = 5.0
"""Events, and seconds after which no more is, sent to one webhook before the next one has its turn, and before the catalogue is told."""
_MOST_WAITING = 1000
"""With so many failed events of one webhook, new ones wait until there are fewer."""
_STEEP, _LONGEST_WAIT = 4.0, 86_400.0
"""How much longer each wait of an event is than the one before, and the longest, in seconds."""
_LONGEST_HOLD = 300.0
"""Seconds after which a receiver that does not answer is tried again at the latest."""
_MOST_ASKED = 3600.0
"""Seconds that a receiver may ask for (Retry-After)."""
_SWEEP = 60.0
"""Seconds between two sweeps of events that nobody waits for."""
_PAUSE = 10.0
"""Seconds to wait where the catalogue cannot be written."""
_GONE = 410
"""The status by which a receiver says that it wants no more (Standard Webhooks)."""
_BEHIND = "It waits for an earlier event of the same asset."
_patterns = msgspec.json.Decoder(tuple[str, ...])


class Delivering(Background):
    """A thread that takes events to the webhooks of one library."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opsin-webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a request that is under way is ended first."""
        self._stop.set()
        self._workspace.catalogue.committed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        from opsin.intake.posting import Poster

        courier = Courier(self._workspace, Poster(self._workspace.settings.webhooks), stop=self._stop)
        news = self._workspace.catalogue.committed
        while not self._stop.is_set():
            news.clear()
            try:
                pause = courier.round() - time.time()
            except LibraryError as error:
                _log.error("webhooks wait: %s", error)
                pause = _PAUSE
            if pause > 0 and not self._stop.is_set():
                news.wait(pause)


class _Turn(msgspec.Struct):
    """What came of one webhook's turn, which ends at ``until``. ``failed``: the event, how often it was tried, and why."""

    seen: int
    until: float
    arrived: list[int] = []
    behind: list[EventRow] = []
    failed: tuple[EventRow, int, _Failure] | None = None


class _Failure(msgspec.Struct, frozen=True):
    reason: str
    gone: bool = False
    asked: float = 0.0


class Courier:
    """Sends what is due. ``clock`` tells seconds since 1970, ``chance`` gives numbers between 0 and 1."""

    def __init__(
        self,
        workspace: Workspace,
        poster: Poster,
        *,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._workspace = workspace
        self._settings = workspace.settings.webhooks
        self._poster = poster
        self._stop = stop or threading.Event()
        self._clock = clock
        self._chance = chance
        self._swept = 0.0

    def round(self) -> float:
        """Give every webhook a turn, and return when the next one is due, in seconds since 1970."""
        with self._workspace.catalogue.read() as connection:
            rows = [row for row in outbox.webhooks(connection) if row.enabled]
        due = min([self._turn(row) for row in rows if not self._stop.is_set()], default=self._clock() + _SWEEP)
        if rows and self._clock() - self._swept > _SWEEP:
            self._swept = self._clock()
            oldest = datetime.fromtimestamp(self._swept, UTC) - timedelta(seconds=self._settings.keep)
            with self._workspace.catalogue.write() as connection:
                outbox.drop(connection, before=oldest.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        return due

    def _turn(self, row: WebhookRow) -> float:
        """Send a webhook what is due, and return when it is to have its next turn."""
        if row.next_at > self._clock():
            return row.next_at
        with self._workspace.catalogue.read() as connection:
            waiting = outbox.deliveries(connection, row.id, {WAITING}, limit=_MOST_WAITING)
            coming = outbox.after(connection, row.seen, _AT_ONCE) if len(waiting) < _MOST_WAITING else []
        turn = _Turn(row.seen, self._clock() + _LONGEST_TURN)
        first = _first_of_each_asset(waiting)
        ripe = [each for each in first if each.next_at <= self._clock()][:_AT_ONCE]
        if all(self._try(row, turn, each.event, each.attempts) for each in ripe if self._clock() < turn.until):
            self._send_on(row, turn, coming, waiting)
        held_until = self._note(row, turn)
        if held_until is not None:
            return held_until
        if len(coming) == _AT_ONCE or (waiting and turn.arrived) or (coming and turn.seen < coming[-1].number):
            return self._clock()
        return min([self._clock() + _SWEEP, *(each.next_at for each in first)])

    def _send_on(
        self, row: WebhookRow, turn: _Turn, coming: Sequence[EventRow], waiting: Sequence[DeliveryRow]
    ) -> None:
        """Send what is new, but nothing of an asset of which something waits: that lines up behind it."""
        patterns = _patterns.decode(row.events)
        held = {each.event.asset_row for each in waiting if each.event.number not in turn.arrived} - {None}
        for event in coming:
            if turn.failed is not None or self._stop.is_set() or self._clock() >= turn.until:
                return
            if matches(event.kind, patterns):
                if event.asset_row in held:
                    turn.behind.append(event)
                else:
                    self._try(row, turn, event, 0)
            turn.seen = event.number

    def _try(self, row: WebhookRow, turn: _Turn, event: EventRow, attempts: int) -> bool:
        """Send one event; return whether it arrived."""
        body, headers = letter(event, row.secret, int(self._clock()))
        try:
            answer = self._poster.post(row.url, body, headers)
        except Refused as error:
            turn.failed = (event, attempts + 1, _Failure(str(error)))
            return False
        if 200 <= answer.status < 300:
            turn.arrived.append(event.number)
            return True
        reason = f"It answered with status {answer.status}: {answer.text[:200]}".rstrip(": ")
        turn.failed = (event, attempts + 1, _Failure(reason, answer.status == _GONE, answer.retry_after or 0.0))
        return False

    def _note(self, row: WebhookRow, turn: _Turn) -> float | None:
        """Write down what came of a turn, and return until when the webhook is held, if it is."""
        if turn.failed is None and not turn.arrived and turn.seen == row.seen:
            return None
        values: dict[str, object] = {"seen": turn.seen}
        failures, since, held_until = row.failures, row.failing_since, None
        if turn.arrived:
            failures, since = 0, None
        if turn.failed is not None:
            failures, since = failures + 1, since if since is not None else self._clock()
            failure = turn.failed[2]
            held_until = self._clock() + self._hold(failures, failure.asked)
            values["reason"] = failure.reason
            if failure.gone:
                values |= {"enabled": False, "reason": f"{failure.reason} (410: it wants no more)"}
            elif self._clock() - since > self._settings.give_up:
                values |= {"enabled": False, "reason": f"Nothing arrived for webhooks.give_up: {failure.reason}"}
            if not values.get("enabled", True):
                _log.warning("the webhook %s to %s is switched off: %s", row.id, row.url, values["reason"])
        elif turn.arrived:
            values["reason"] = None
        values |= {"failures": failures, "failing_since": since, "next_at": held_until or 0.0}
        with self._workspace.catalogue.write() as connection:
            present = {each.id for each in outbox.webhooks(connection) if each.enabled}
            if row.id in present:  # else it was deleted or switched off meanwhile
                outbox.change_webhook(connection, row.id, **values)
                self._note_deliveries(connection, row, turn)
        return held_until

    def _note_deliveries(self, connection: Connection, row: WebhookRow, turn: _Turn) -> None:
        outbox.drop_deliveries(connection, row.id, turn.arrived)
        for event in turn.behind:
            outbox.put_delivery(
                connection, row.id, event.number, state=WAITING, attempts=0, next_at=0.0, last_at=None, reason=_BEHIND
            )
        if turn.failed is not None:
            event, attempts, failure = turn.failed
            wait = min(self._settings.backoff * _STEEP ** min(attempts - 1, 30), _LONGEST_WAIT)
            outbox.put_delivery(
                connection,
                row.id,
                event.number,
                state=DEAD if attempts >= self._settings.attempts else WAITING,
                attempts=attempts,
                next_at=self._clock() + wait * (0.75 + self._chance() / 2),
                last_at=now(),
                reason=failure.reason,
            )

    def _hold(self, failures: int, asked: float) -> float:
        """Return for how many seconds nothing is sent to a receiver that failed so often in a row."""
        hold = min(self._settings.backoff * 2.0 ** min(failures - 1, 30), _LONGEST_HOLD)
        return max(hold * (0.75 + self._chance() / 2), min(asked, _MOST_ASKED))


def _first_of_each_asset(waiting: Sequence[DeliveryRow]) -> list[DeliveryRow]:
    """Return the deliveries that no earlier one of the same asset stands before."""
    before: set[int] = set()
    first = []
    for each in waiting:
        if each.event.asset_row is None or each.event.asset_row not in before:
            first.append(each)
        if each.event.asset_row is not None:
            before.add(each.event.asset_row)
    return first
