"""Webhooks: who is told of what happens, with which secret, and what could not be delivered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from opsin.catalogue import outbox
from opsin.catalogue.ids import new_id, now
from opsin.catalogue.outbox import DEAD, WAITING, DeliveryRow, EventRow, WebhookRow
from opsin.errors import Refused, UnknownName, UsageError
from opsin.services.base import checked
from opsin.services.base.outbox import KINDS, matches
from opsin.services.base.workspace import Workspace

State = Literal["waiting", "dead"]
_LONGEST_URL = 8192
_MOST = 100
_LAST = 2**62
_AT_ONCE: Mapping[str, object] = {"failures": 0, "failing_since": None, "next_at": 0.0}
"""What makes a receiver be tried again now that was left alone because it failed."""
_patterns = msgspec.json.Decoder(tuple[str, ...])


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of what. ``events`` are kinds such as ``asset.added``, ``asset.*`` or ``*``.

    ``reason`` says why it is off, or why the last event did not arrive; ``waiting`` and ``dead`` count the events that
    failed and are sent again, and those that were given up.
    """

    id: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    reason: str | None
    created_at: str
    waiting: int = 0
    dead: int = 0


class NewWebhook(Webhook, frozen=True, kw_only=True):
    """A webhook that was just made. ``secret`` signs what is sent; it is not shown again."""

    secret: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event that did not arrive yet (``waiting``), or was given up (``dead``), with what went wrong last."""

    number: int
    event: str
    type: str
    at: str
    state: State
    attempts: int
    last_at: str | None
    reason: str


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver answered to a test: ``status`` and the beginning of its ``answer``, or why there is none."""

    arrived: bool
    status: int | None = None
    answer: str = ""
    reason: str | None = None
    milliseconds: int


def create(workspace: Workspace, url: str, events: Sequence[str] = ("*",)) -> NewWebhook:
    """Make a webhook, which is told of what happens from now on.

    :raises UsageError: for an address or a kind of event that makes no sense, or where there are too many.
    """
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    kinds = _events(events)
    place = _address(workspace, url)
    with workspace.catalogue.write() as connection:
        if len(outbox.webhooks(connection)) >= _MOST:
            msg = f"a library has at most {_MOST} webhooks: delete one that is not needed"
            raise UsageError(msg)
        made = WebhookRow(
            id=new_id(),
            url=place,
            events=msgspec.json.encode(kinds).decode(),
            secret=secret,
            enabled=True,
            reason=None,
            created_at=now(),
            seen=outbox.newest(connection),
            failures=0,
            failing_since=None,
            next_at=0.0,
        )
        outbox.add_webhook(connection, made)
    workspace.outbox.forget()
    return NewWebhook(**msgspec.structs.asdict(_shown(made, {})), secret=secret)


def every(workspace: Workspace) -> list[Webhook]:
    """Return every webhook, oldest first."""
    with workspace.catalogue.read() as connection:
        counts = outbox.counts(connection)
        return [_shown(row, counts) for row in outbox.webhooks(connection)]


def get(workspace: Workspace, identity: str) -> Webhook:
    """Return one webhook.

    :raises UnknownName: where there is none.
    """
    for webhook in every(workspace):
        if webhook.id == identity:
            return webhook
    raise _unknown(identity)


def change(
    workspace: Workspace,
    identity: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> Webhook:
    """Change a webhook; what is None stays. Switched on again, it goes on where it stopped, as far as events are kept.

    :raises UnknownName: where there is none.
    :raises UsageError: as :func:`create`.
    """
    values: dict[str, object] = {}
    if url is not None:
        values["url"] = _address(workspace, url)
    if events is not None:
        values["events"] = msgspec.json.encode(_events(events)).decode()
    if enabled is not None:
        values["enabled"] = enabled
        values["reason"] = None if enabled else "switched off"
    if values:
        values |= _AT_ONCE
    with workspace.catalogue.write() as connection:
        _row(outbox.webhooks(connection), identity)
        if values:
            outbox.change_webhook(connection, identity, **values)
    workspace.outbox.forget()
    return get(workspace, identity)


def delete(workspace: Workspace, identity: str) -> None:
    """Take a webhook away, with what waits for it.

    :raises UnknownName: where there is none.
    """
    with workspace.catalogue.write() as connection:
        _row(outbox.webhooks(connection), identity)
        outbox.drop_webhook(connection, identity)
    workspace.outbox.forget()


def deliveries(
    workspace: Workspace, identity: str, *, state: State | None = None, limit: int = 100, after: int = 0
) -> list[Delivery]:
    """Return what did not arrive, in the order of the events, behind the event of the number ``after``.

    :raises UnknownName: where there is no such webhook.
    """
    checked.whole(limit, "limit", 1, 1001)
    checked.whole(after, "after", 0, _LAST)
    if state not in {None, WAITING, DEAD}:
        msg = f"the state has to be {WAITING} or {DEAD}, not {state!r}"
        raise UsageError(msg)
    with workspace.catalogue.read() as connection:
        _row(outbox.webhooks(connection), identity)
        states = {WAITING, DEAD} if state is None else {state}
        found = outbox.deliveries(connection, identity, states, behind=after, limit=limit)
    return [_delivery(each) for each in found]


def redeliver(workspace: Workspace, identity: str, number: int | None = None) -> int:
    """Have what was given up sent again, at once: one event, or all; return how many that are.

    :raises UnknownName: where there is no such webhook, or no such dead letter.
    """
    if number is not None:
        checked.whole(number, "the number of an event", 0, _LAST)
    with workspace.catalogue.write() as connection:
        _row(outbox.webhooks(connection), identity)
        count = outbox.revive(connection, identity, number)
        if count:
            outbox.change_webhook(connection, identity, **_AT_ONCE)
    if number is not None and not count:
        msg = f"the event {number} is none that was given up for this webhook: its dead deliveries are listed"
        raise UnknownName(msg)
    return count


def test(workspace: Workspace, identity: str) -> Tried:
    """Send a ``webhook.test`` event now, and return what the receiver answered; where it arrived, all that waits follows.

    :raises UnknownName: where there is no such webhook.
    """
    from opsin.intake.posting import Poster

    with workspace.catalogue.read() as connection:
        row = _row(outbox.webhooks(connection), identity)
    event = EventRow(0, new_id(), "webhook.test", None, now(), b"{}")
    begun = time.monotonic()
    try:
        body, headers = letter(event, row.secret, int(time.time()))
        answer = Poster(workspace.settings.webhooks).post(row.url, body, headers)
    except Refused as error:
        return Tried(arrived=False, reason=str(error), milliseconds=_since(begun))
    arrived = 200 <= answer.status < 300
    if arrived and row.next_at:
        with workspace.catalogue.write() as connection:
            outbox.change_webhook(connection, identity, **_AT_ONCE)
    return Tried(arrived=arrived, status=answer.status, answer=answer.text, milliseconds=_since(begun))


def letter(event: EventRow, secret: str, at: int) -> tuple[bytes, dict[str, str]]:
    """Return the body of an event and its headers, signed as of ``at`` (seconds since 1970).

    As https://www.standardwebhooks.com says: HMAC-SHA-256 over id, time and body, joined by dots, so that neither can be
    exchanged for another.
    """
    body = b'{"type":"%s","timestamp":"%s","data":%s}' % (event.kind.encode(), event.at.encode(), event.data)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{event.id}.{at}.".encode() + body, hashlib.sha256).digest()
    return body, {
        "Content-Type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _events(given: Sequence[str]) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(checked.texts(given, "events")))
    for each in kinds:
        if not any(matches(kind, (each,)) for kind in KINDS):
            msg = f"there is no event {each[:100]!r}; there are {', '.join(KINDS)}, and asset.* and * for several"
            raise UsageError(msg)
    if not kinds:
        msg = f"name the events: {', '.join(KINDS)}, or * for all"
        raise UsageError(msg)
    return kinds


def _address(workspace: Workspace, url: str) -> str:
    """Return an address as it is called. Where its host is a name, what that stands for is looked up with each call."""
    from opsin.intake.addresses import is_private
    from opsin.intake.calls import parse

    try:
        target = parse(checked.text(url, "an address", _LONGEST_URL))
    except Refused as error:
        raise UsageError(str(error)) from error
    if is_private(target.host) and not workspace.settings.webhooks.allow_private:
        msg = f"{target.host} is not a public address, and only these are called unless webhooks.allow_private is set"
        raise UsageError(msg)
    return str(target)


def _row(rows: Sequence[WebhookRow], identity: str) -> WebhookRow:
    for row in rows:
        if row.id == identity:
            return row
    raise _unknown(identity)


def _unknown(identity: str) -> UnknownName:
    return UnknownName(f"there is no webhook {identity[:100]!r}: `opsin webhooks list` shows their ids")


def _shown(row: WebhookRow, counts: Mapping[tuple[str, str], int]) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        events=_patterns.decode(row.events),
        enabled=row.enabled,
        reason=row.reason,
        created_at=row.created_at,
        waiting=counts.get((row.id, WAITING), 0),
        dead=counts.get((row.id, DEAD), 0),
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        number=row.event.number,
        event=row.event.id,
        type=row.event.kind,
        at=row.event.at,
        state="dead" if row.state == DEAD else "waiting",
        attempts=row.attempts,
        last_at=row.last_at,
        reason=row.reason,
    )


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
