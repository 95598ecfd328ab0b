"""Events on their way out, the webhooks that they go to, and what could not be delivered yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from opsin.catalogue import sqlite
from opsin.catalogue.ids import new_id, now
from opsin.catalogue.tables import delivery, event, webhook

WAITING = "waiting"
DEAD = "dead"


class NewEvent(msgspec.Struct, frozen=True):
    """Something that happened. ``data`` is JSON."""

    kind: str
    asset_row: int | None
    data: bytes


class EventRow(msgspec.Struct, frozen=True):
    """A stored event."""

    number: int
    id: str
    kind: str
    asset_row: int | None
    at: str
    data: bytes


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, as in its table."""

    id: str
    url: str
    events: str
    secret: str
    enabled: bool
    reason: str | None
    created_at: str
    seen: int
    failures: int
    failing_since: float | None
    next_at: float


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event that could not be sent to a webhook yet, or was given up."""

    event: EventRow
    state: str
    attempts: int
    next_at: float
    last_at: str | None
    reason: str


_EVENT = select(*(event.c[name] for name in EventRow.__struct_fields__))


def add(connection: Connection, new: Sequence[NewEvent]) -> None:
    """Store events, in order."""
    if new:
        at = now()
        rows = [
            {"id": new_id(), "kind": each.kind, "asset_row": each.asset_row, "at": at, "data": each.data}
            for each in new
        ]
        connection.execute(insert(event), rows)


def cut(connection: Connection, erased: Mapping[int, str]) -> None:
    """Leave nothing but their ids in the events of assets that are erased (row -> id): who is told learns which they were."""
    theirs = select(event.c.number, event.c.asset_row).where(event.c.asset_row.in_(erased))
    for number, row in connection.execute(theirs).all():
        data = msgspec.json.encode({"asset": {"id": erased[row]}, "erased": True})
        connection.execute(update(event).where(event.c.number == number).values(data=data))


def newest(connection: Connection) -> int:
    """Return the number of the last event that there ever was, 0 where there was none."""
    return sqlite.last_number(connection, event)


def after(connection: Connection, number: int, limit: int) -> list[EventRow]:
    """Return up to ``limit`` events behind ``number``, in order."""
    query = _EVENT.where(event.c.number > number).order_by(event.c.number).limit(limit)
    return [EventRow(*row) for row in connection.execute(query)]


def drop(connection: Connection, *, before: str) -> None:
    """Forget the events that nobody waits for any more, and those older than ``before``, with what waits for them."""
    oldest = select(func.min(webhook.c.seen)).scalar_subquery()
    waited = select(delivery.c.event_number)
    done = (event.c.number <= func.coalesce(oldest, 2**62)) & event.c.number.not_in(waited)
    connection.execute(delete(event).where(done | (event.c.at < before)))


def webhooks(connection: Connection) -> list[WebhookRow]:
    """Return every webhook, oldest first."""
    query = select(*(webhook.c[name] for name in WebhookRow.__struct_fields__))
    return [WebhookRow(**row._mapping) for row in connection.execute(query.order_by(webhook.c.id))]  # noqa: SLF001


def add_webhook(connection: Connection, new: WebhookRow) -> None:
    """Store a webhook."""
    connection.execute(insert(webhook).values(**msgspec.structs.asdict(new)))


def change_webhook(connection: Connection, identity: str, **values: Any) -> None:
    """Change columns of a webhook."""
    connection.execute(update(webhook).where(webhook.c.id == identity).values(**values))


def drop_webhook(connection: Connection, identity: str) -> None:
    """Forget a webhook, and what waits for it."""
    connection.execute(delete(webhook).where(webhook.c.id == identity))


def deliveries(
    connection: Connection, identity: str, states: Collection[str], *, behind: int = 0, limit: int = 1000
) -> list[DeliveryRow]:
    """Return what could not be sent to a webhook, in the order of the events: up to ``limit`` ``behind`` a number."""
    own = [delivery.c[name] for name in ("state", "attempts", "next_at", "last_at", "reason")]
    query = (
        _EVENT.add_columns(*own)
        .join(delivery, delivery.c.event_number == event.c.number)
        .where(delivery.c.webhook_id == identity, delivery.c.state.in_(sorted(states)), event.c.number > behind)
    )
    found = connection.execute(query.order_by(event.c.number).limit(limit)).all()
    return [
        DeliveryRow(
            event=EventRow(*row[:6]), state=row[6], attempts=row[7], next_at=row[8], last_at=row[9], reason=row[10]
        )
        for row in found
    ]


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Return for each webhook and state how many deliveries there are."""
    query = select(delivery.c.webhook_id, delivery.c.state, func.count()).group_by(
        delivery.c.webhook_id, delivery.c.state
    )
    return {(str(webhook), str(state)): int(count) for webhook, state, count in connection.execute(query)}


def put_delivery(connection: Connection, identity: str, number: int, **values: Any) -> None:
    """Note that an event could not be sent to a webhook yet, or was given up."""
    sqlite.upsert(connection, delivery, [{"webhook_id": identity, "event_number": number, **values}])


def drop_deliveries(connection: Connection, identity: str, numbers: Sequence[int]) -> None:
    """Forget deliveries that arrived."""
    if numbers:
        mine = (delivery.c.webhook_id == identity) & delivery.c.event_number.in_(numbers)
        connection.execute(delete(delivery).where(mine))


def revive(connection: Connection, identity: str, number: int | None = None) -> int:
    """Have what was given up sent again, all of it or one event, and return how many there are."""
    mine = (delivery.c.webhook_id == identity) & (delivery.c.state == DEAD)
    if number is not None:
        mine &= delivery.c.event_number == number
    again = update(delivery).where(mine).values(state=WAITING, attempts=0, next_at=0.0)
    return int(connection.execute(again).rowcount)
