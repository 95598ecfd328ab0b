"""/v1/webhooks: who is told of what happens, and what did not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter

from opsin.services.telling.webhooks import Delivery, NewWebhook, State, Tried, Webhook
from opsin.web.access import ADMIN
from opsin.web.problems import problem_responses
from opsin.web.service import Service

Number = FromPath[
    Annotated[
        int, PathParameter(ge=0, le=2**53, description="The number of an event, as the list of deliveries has it.")
    ]
]
_PROBLEMS = problem_responses(400, 401, 403, 404)
_CHANGING = problem_responses(400, 401, 403, 404, body=True)


class WebhookFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to send what. ``events``: kinds such as ``asset.added``, ``asset.*`` for all of assets, or ``*``."""

    url: str
    events: tuple[str, ...] = ("*",)


class WebhookChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change; what is left out or null stays."""

    url: str | None = None
    events: list[str] | None = None
    enabled: bool | None = None


class WebhookList(msgspec.Struct, frozen=True):
    """Every webhook, oldest first."""

    webhooks: list[Webhook]


class Deliveries(msgspec.Struct, frozen=True):
    """Events that did not arrive, in their order; ``cursor`` continues, null at the end."""

    deliveries: Sequence[Delivery]
    cursor: int | None


class Redelivered(msgspec.Struct, frozen=True):
    """How many events are sent again."""

    count: int


class WebhooksController(Controller):
    """Webhooks; all of it needs an admin key."""

    path = "/v1/webhooks"
    tags = ["webhooks"]  # noqa: RUF012
    opt = ADMIN

    @post(opt={"secret": True}, responses=problem_responses(400, 401, 403, 409, 422, body=True))
    async def create(self, service: NamedDependency[Service], data: JSONBody[WebhookFields]) -> Response[NewWebhook]:
        """Make a webhook; its ``secret``, which signs what is sent, is shown only here."""
        made = await service.run(lambda: service.library.webhooks.create(data.url, data.events))
        return Response(made, headers={"Cache-Control": "no-store", "Location": f"/v1/webhooks/{made.id}"})

    @get(responses=_PROBLEMS)
    async def list(self, service: NamedDependency[Service]) -> WebhookList:
        """List webhooks."""
        return WebhookList(await service.run(service.library.webhooks.list))

    @get("/{webhook_id:uuid}", responses=_PROBLEMS)
    async def show(self, service: NamedDependency[Service], webhook_id: FromPath[UUID]) -> Webhook:
        """Show one webhook."""
        return await service.run(lambda: service.library.webhooks.get(str(webhook_id)))

    @patch("/{webhook_id:uuid}", responses=_CHANGING)
    async def change(
        self, service: NamedDependency[Service], webhook_id: FromPath[UUID], data: JSONBody[WebhookChanges]
    ) -> Webhook:
        """Change a webhook, or switch it off or on; switched on again it goes on where it stopped."""
        return await service.run(
            lambda: service.library.webhooks.change(
                str(webhook_id), url=data.url, events=data.events, enabled=data.enabled
            )
        )

    @delete("/{webhook_id:uuid}", responses=_PROBLEMS)
    async def delete(self, service: NamedDependency[Service], webhook_id: FromPath[UUID]) -> None:
        """Delete a webhook, with what waits for it."""
        await service.run(lambda: service.library.webhooks.delete(str(webhook_id)))

    @post("/{webhook_id:uuid}/test", status_code=200, responses=_PROBLEMS)
    async def test(self, service: NamedDependency[Service], webhook_id: FromPath[UUID]) -> Tried:
        """Send a ``webhook.test`` event now, and say what the receiver answered."""
        return await service.run_pictures(lambda: service.library.webhooks.test(str(webhook_id)))

    @get("/{webhook_id:uuid}/deliveries", responses=_PROBLEMS)
    async def deliveries(
        self,
        service: NamedDependency[Service],
        webhook_id: FromPath[UUID],
        delivery_state: FromQuery[
            Annotated[
                State | None, QueryParameter(name="state", description="Only those that wait, or that were given up.")
            ]
        ] = None,
        limit: FromQuery[Annotated[int, QueryParameter(ge=1, le=1000)]] = 100,
        cursor: FromQuery[Annotated[int, QueryParameter(ge=0, le=2**53)]] = 0,
    ) -> Deliveries:
        """List the events that did not arrive yet (``waiting``) or were given up (``dead``)."""
        found = await service.run(
            lambda: service.library.webhooks.deliveries(
                str(webhook_id), state=delivery_state, limit=limit + 1, after=cursor
            )
        )
        return Deliveries(found[:limit], found[limit - 1].number if len(found) > limit else None)

    @post("/{webhook_id:uuid}/deliveries/{number:int}/redeliver", status_code=200, responses=_PROBLEMS)
    async def redeliver(
        self, service: NamedDependency[Service], webhook_id: FromPath[UUID], number: Number
    ) -> Redelivered:
        """Send an event again that was given up."""
        return Redelivered(await service.run(lambda: service.library.webhooks.redeliver(str(webhook_id), number)))

    @post("/{webhook_id:uuid}/redeliver", status_code=200, responses=_PROBLEMS)
    async def redeliver_all(self, service: NamedDependency[Service], webhook_id: FromPath[UUID]) -> Redelivered:
        """Send all events again that were given up."""
        return Redelivered(await service.run(lambda: service.library.webhooks.redeliver(str(webhook_id))))
