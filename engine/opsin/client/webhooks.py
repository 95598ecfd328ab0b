"""The calls of `client.webhooks`: as those of `library.webhooks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsin.client.call import Call, address, as_kind, in_field
from opsin.library import Delivery, NewWebhook, Tried, Webhook
from opsin.services.telling.webhooks import State


def create(url: str, events: Sequence[str] = ("*",)) -> Call[NewWebhook]:
    """Make a webhook, which is told of what happens from now on; its secret is shown only here."""
    fields = {"url": url, "events": list(events)}
    return Call(method="POST", path="/v1/webhooks", json=fields, read=as_kind(NewWebhook), changes=True)


def list_webhooks() -> Call[list[Webhook]]:
    """Return the webhooks, oldest first."""
    return Call(method="GET", path="/v1/webhooks", read=in_field("webhooks", list[Webhook]))


def get(webhook: str) -> Call[Webhook]:
    """Return one webhook.

    :raises UnknownName: where there is none of this id.
    """
    return Call(method="GET", path=_place(webhook), read=as_kind(Webhook))


def change(
    webhook: str, *, url: str | None = None, events: Sequence[str] | None = None, enabled: bool | None = None
) -> Call[Webhook]:
    """Change a webhook; what is None stays."""
    fields = {"url": url, "events": None if events is None else list(events), "enabled": enabled}
    return Call(method="PATCH", path=_place(webhook), json=fields, read=as_kind(Webhook), changes=True)


def delete(webhook: str) -> Call[None]:
    """Take a webhook away, with what waits for it."""
    return Call(method="DELETE", path=_place(webhook), read=lambda _: None, changes=True)


def test(webhook: str) -> Call[Tried]:
    """Have a ``webhook.test`` event sent now, and return what the receiver answered."""
    return Call(method="POST", path=f"{_place(webhook)}/test", read=as_kind(Tried), changes=True)


def deliveries(
    webhook: str, *, state: State | None = None, limit: int = 100, after: int = 0
) -> Call[Sequence[Delivery]]:
    """Return what did not arrive yet, or was given up, in the order of the events, behind the event ``after``."""
    params: dict[str, Any] = {"limit": limit, "cursor": after} | ({} if state is None else {"state": state})
    read = in_field("deliveries", list[Delivery])
    return Call(method="GET", path=f"{_place(webhook)}/deliveries", params=params, read=read)


def redeliver(webhook: str, number: int | None = None) -> Call[int]:
    """Have what was given up sent again, one event or all, and return how many these are."""
    place = _place(webhook) if number is None else address("webhooks", webhook, "deliveries", str(number))
    return Call(method="POST", path=f"{place}/redeliver", read=in_field("count", int), changes=True)


def _place(webhook: str) -> str:
    return address("webhooks", webhook)
