"""Commands `opsin webhooks ...`: who is told of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from opsin.cli.output import emit, minute, table
from opsin.cli.shared import Place, json_option, options_before_a_command, place_option, reach

if TYPE_CHECKING:
    from opsin.library import Webhook

_events_option = click.option(
    "--event",
    "events",
    multiple=True,
    metavar="KIND",
    help="What to tell of: asset.added, asset.*, search.matched, or * for all. May be repeated.",
)


@click.group()
@options_before_a_command
def webhooks() -> None:
    """Make, list and change webhooks: addresses that are told of what happens while `opsin serve` runs."""


@webhooks.command("create")
@click.argument("url")
@_events_option
@place_option
@json_option
def create_webhook(url: str, events: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Make a webhook to URL. Its secret, which signs what is sent, is shown once."""
    with reach(place) as library:
        made = library.webhooks.create(url, events or ("*",))
    if as_json:
        emit(made)
    else:
        click.echo(made.secret)
        click.echo(f"The webhook {made.id} signs with this secret. Keep it: it is not shown again.", err=True)


@webhooks.command("list")
@place_option
@json_option
def list_webhooks(place: Place, as_json: bool) -> None:
    """List the webhooks, without their secrets."""
    with reach(place, readonly=True) as library:
        found = library.webhooks.list()
    if as_json:
        for each in found:
            emit(each)
    else:
        rows = [(w.id, _state(w), w.waiting, w.dead, " ".join(w.events), w.url, w.reason or "") for w in found]
        columns = ("id", "state", "waiting", "dead", "events", "url", "reason")
        table(columns, rows, right=("waiting", "dead"), none="No webhooks.")


@webhooks.command("set")
@click.argument("number", metavar="ID")
@click.option("--url", help="Another address.")
@_events_option
@click.option("--switch", type=click.Choice(["on", "off"]), help="Switched on, it goes on where it stopped.")
@place_option
@json_option
def set_webhook(
    number: str, url: str | None, events: tuple[str, ...], switch: str | None, place: Place, as_json: bool
) -> None:
    """Change the webhook ID."""
    with reach(place) as library:
        enabled = None if switch is None else switch == "on"
        changed = library.webhooks.change(number, url=url, events=events or None, enabled=enabled)
    _say(changed, as_json=as_json)


@webhooks.command("delete")
@click.argument("number", metavar="ID")
@place_option
@json_option
def delete_webhook(number: str, place: Place, as_json: bool) -> None:
    """Take the webhook ID away, with what waits for it."""
    with reach(place) as library:
        gone = library.webhooks.get(number)
        library.webhooks.delete(number)
    if as_json:
        emit(gone)
    else:
        click.echo(f"Deleted the webhook {gone.id} to {gone.url}.")


@webhooks.command("test")
@click.argument("number", metavar="ID")
@place_option
@json_option
def test_webhook(number: str, place: Place, as_json: bool) -> int:
    """Send a webhook.test event to the webhook ID now, and show what it answers; 1 where it did not arrive."""
    with reach(place, readonly=True) as library:
        tried = library.webhooks.test(number)
    if as_json:
        emit(tried)
    else:
        click.echo(tried.reason or f"It answered {tried.status} within {tried.milliseconds} ms. {tried.answer}".strip())
    return 0 if tried.arrived else 1


@webhooks.command("deliveries")
@click.argument("number", metavar="ID")
@click.option("--state", type=click.Choice(["waiting", "dead"]), help="Only these.")
@place_option
@json_option
def list_deliveries(number: str, state: Literal["waiting", "dead"] | None, place: Place, as_json: bool) -> None:
    """List the events that did not arrive at the webhook ID yet, or were given up."""
    with reach(place, readonly=True) as library:
        found = library.webhooks.deliveries(number, state=state, limit=1000)
    if as_json:
        for each in found:
            emit(each)
    else:
        rows = [(d.number, d.type, minute(d.at), d.state, d.attempts, d.reason) for d in found]
        columns = ("number", "type", "at (UTC)", "state", "attempts", "reason")
        table(columns, rows, right=("number", "attempts"), whole=("at (UTC)",), none="No such deliveries.")


@webhooks.command("redeliver")
@click.argument("number", metavar="ID")
@click.argument("event", type=int, required=False)
@place_option
@json_option
def redeliver(number: str, event: int | None, place: Place, as_json: bool) -> None:
    """Send again what was given up for the webhook ID: all of it, or the event of the number EVENT."""
    with reach(place) as library:
        count = library.webhooks.redeliver(number, event)
    if as_json:
        emit({"count": count})
    else:
        click.echo(f"{count} to be sent again, while `opsin serve` runs.")


def _state(webhook: Webhook) -> str:
    return "on" if webhook.enabled else "off"


def _say(webhook: Webhook, *, as_json: bool) -> None:
    if as_json:
        emit(webhook)
    else:
        click.echo(f"The webhook {webhook.id} to {webhook.url} is {_state(webhook)}.")


COMMANDS = (webhooks,)
