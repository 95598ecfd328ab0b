"""`library.webhooks`: who is told of what happens in a library."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.services.base.workspace import Workspace
from opsin.services.telling import delivering, webhooks
from opsin.services.telling.webhooks import Delivery, NewWebhook, State, Tried, Webhook

Several = list[Webhook]  # said here: in the class, `list` is a method


class Webhooks:
    """The webhooks of one library. What happens is delivered within ``with library.webhooks.delivering():``, as `opsin serve` has it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list(self) -> Several:
        """Return every webhook, oldest first, without its secret."""
        return webhooks.every(self._workspace)

    def get(self, webhook: str) -> Webhook:
        """Return one webhook.

        :raises UnknownName: where there is none of this id.
        """
        return webhooks.get(self._workspace, webhook)

    def create(self, url: str, events: Sequence[str] = ("*",)) -> NewWebhook:
        """Make a webhook, which is told of what happens from now on; its secret is shown only here.

        ``events``: kinds such as ``asset.added``, ``asset.*`` for all of assets, or ``*`` for all.

        :raises UsageError: for an address or a kind of event that makes no sense.
        """
        return webhooks.create(self._workspace.writable, url, events)

    def change(
        self,
        webhook: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change a webhook; what is None stays. Switched on again, it goes on where it stopped, as far as events are kept.

        :raises UnknownName: where there is none of this id.
        """
        return webhooks.change(self._workspace.writable, webhook, url=url, events=events, enabled=enabled)

    def delete(self, webhook: str) -> None:
        """Take a webhook away, with what waits for it.

        :raises UnknownName: where there is none of this id.
        """
        webhooks.delete(self._workspace.writable, webhook)

    def test(self, webhook: str) -> Tried:
        """Send a ``webhook.test`` event now, and return what the receiver answered."""
        return webhooks.test(self._workspace, webhook)

    def deliveries(
        self, webhook: str, *, state: State | None = None, limit: int = 100, after: int = 0
    ) -> Sequence[Delivery]:
        """Return what did not arrive yet, or was given up, in the order of the events, behind the event ``after``."""
        return webhooks.deliveries(self._workspace, webhook, state=state, limit=limit, after=after)

    def redeliver(self, webhook: str, number: int | None = None) -> int:
        """Have what was given up sent again, one event or all, and return how many these are."""
        return webhooks.redeliver(self._workspace.writable, webhook, number)

    def delivering(self) -> delivering.Delivering:
        """Return what delivers what happens: within ``with``, or between its ``start()`` and ``stop()``."""
        return delivering.Delivering(self._workspace.writable)
