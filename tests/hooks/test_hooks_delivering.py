"""Events arrive: signed, in order for each asset, again after failures, at least once, and only where they may go."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.hooks.receiving import Receiver, receiving

import opsin
from opsin.catalogue import outbox
from opsin.catalogue.outbox import EventRow
from opsin.errors import SourceUnavailable, UnknownName, UsageError
from opsin.intake.posting import Poster
from opsin.services.telling.delivering import Courier
from opsin.services.telling.webhooks import letter
from opsin.settings import WebhookSettings

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.hooks.conftest import Clock, Happen


def by_name(status: Callable[[str], int]) -> Callable[[dict[str, Any]], int]:
    """Return an answer that depends on the asset's name."""
    return lambda event: status(event["data"]["asset"]["name"])


def test_a_letter_is_signed_as_standard_webhooks_says() -> None:
    event = EventRow(1, "0199", "asset.added", None, "2026-11-24T00:00:00.000Z", b'{"asset":{}}')
    body, headers = letter(event, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1_614_265_330)
    assert body == b'{"type":"asset.added","timestamp":"2026-11-24T00:00:00.000Z","data":{"asset":{}}}'
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    expected = base64.b64encode(hmac.digest(key, b"0199.1614265330." + body, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("0199", "1614265330")


def test_events_arrive_in_order_and_once(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier
) -> None:
    library.webhooks.create(receiver.url, ["asset.added"])
    happen(*"abcdef")
    happen("a", kind="asset.tagged")
    courier.round()
    courier.round()
    assert [event["data"]["asset"]["name"] for event in receiver.events] == [*"abcdef"]
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 6
    (webhook,) = library.webhooks.list()
    assert (webhook.waiting, webhook.dead, webhook.reason) == (0, 0, None)


def test_a_failed_event_holds_only_its_own_asset_and_is_given_up_in_the_end(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    webhook = library.webhooks.create(receiver.url, ["asset.*"])
    receiver.answer = by_name(lambda name: 500 if name == "a" else 204)
    happen(*"abcdef")
    happen("a", kind="asset.tagged")
    happen("b", kind="asset.tagged")
    for _ in range(20):
        clock.now = courier.round()
        if library.webhooks.get(webhook.id).dead:
            break
    tried = [(e["type"], e["data"]["asset"]["name"]) for e in receiver.events]
    assert tried.count(("asset.added", "a")) == 3
    assert ("asset.tagged", "b") in tried
    assert tried.index(("asset.tagged", "b")) < len(tried) - 1
    assert ("asset.tagged", "a") not in tried
    (dead,) = library.webhooks.deliveries(webhook.id, state="dead")
    assert (dead.type, dead.attempts) == ("asset.added", 3)
    assert "500" in dead.reason
    receiver.answer = lambda _: 204
    assert library.webhooks.redeliver(webhook.id, dead.number) == 1
    for _ in range(5):
        clock.now = courier.round()
    assert not library.webhooks.deliveries(webhook.id)
    assert receiver.kinds()[len(tried) :].count("asset.added") == 1
    assert ("asset.tagged", "a") in [(e["type"], e["data"]["asset"]["name"]) for e in receiver.events]


def test_a_receiver_that_is_down_is_tried_less_and_less_and_gets_everything_when_it_is_back(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    webhook = library.webhooks.create(receiver.url)
    receiver.answer = lambda _: 503
    happen(*"abcdef")
    waits = []
    for _ in range(4):
        due = courier.round()
        waits.append(due - clock.now)
        clock.now = due
    assert waits == [10.0, 20.0, 40.0, 80.0]
    assert len(receiver.came) == 4
    receiver.answer = lambda _: 204
    for _ in range(10):
        clock.now = max(clock.now, courier.round())
    assert not library.webhooks.deliveries(webhook.id, state="waiting")
    arrived = {event["data"]["asset"]["name"] for event in receiver.events[4:]}
    dead = {each.event for each in library.webhooks.deliveries(webhook.id, state="dead")}
    assert len(arrived) + len(dead) == 6
    assert library.webhooks.get(webhook.id).reason is None


@pytest.mark.parametrize("how", ["test", "redeliver"])
def test_a_receiver_that_is_well_again_need_not_be_waited_for(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock, how: str
) -> None:
    webhook = library.webhooks.create(receiver.url)
    receiver.answer = lambda _: 503
    happen("a")
    for _ in range(3):
        clock.now = courier.round()
    happen("b")
    assert courier.round() > clock.now, "it is left alone"
    assert library.webhooks.get(webhook.id).dead == 1
    receiver.answer = lambda _: 204
    before = len(receiver.came)
    if how == "test":
        assert library.webhooks.test(webhook.id).arrived
    else:
        assert library.webhooks.redeliver(webhook.id) == 1
    courier.round()
    told = [event["data"]["asset"]["name"] for event in receiver.events[before:] if event["data"]]
    assert told == (["b"] if how == "test" else ["a", "b"])


def test_a_receiver_that_takes_long_lets_others_have_their_turn(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    def slowly(_: object) -> int:
        clock.now += 4
        return 204

    with receiving() as other:
        library.webhooks.create(receiver.url)
        library.webhooks.create(other.url)
        receiver.answer = slowly
        happen(*"abcdef")
        due = courier.round()
        assert (len(receiver.came), len(other.came)) == (2, 6)
        assert due <= clock.now, "the rest follows at once"
        for _ in range(3):
            courier.round()
        assert [event["data"]["asset"]["name"] for event in receiver.events] == [*"abcdef"]


def test_retries_go_on_after_a_restart(
    make_library: MakeLibrary,
    library: opsin.Library,
    happen: Happen,
    receiver: Receiver,
    courier: Courier,
    clock: Clock,
) -> None:
    library.webhooks.create(receiver.url)
    receiver.answer = lambda _: 500
    happen("a")
    due = courier.round()
    library.close()
    again = make_library()
    receiver.answer = lambda _: 204
    workspace = again._workspace
    later = Courier(workspace, Poster(workspace.settings.webhooks), clock=clock, chance=lambda: 0.5)
    assert later.round() == due
    assert len(receiver.came) == 1
    clock.now = due
    later.round()
    assert next(headers["webhook-id"] for headers, _ in receiver.came) == receiver.came[1][0]["webhook-id"]
    assert receiver.came[0][1] == receiver.came[1][1]


@pytest.mark.parametrize(("status", "reason"), [(301, "301"), (404, "404"), (0, "disconnected"), (500, "500")])
def test_what_is_no_success_is_a_failure_and_no_redirect_is_followed(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, status: int, reason: str
) -> None:
    webhook = library.webhooks.create(receiver.url)
    receiver.headers = {"Location": receiver.url + "/elsewhere"}
    receiver.answer = lambda _: status
    happen("a")
    courier.round()
    assert len(receiver.came) == 1
    (waiting,) = library.webhooks.deliveries(webhook.id)
    assert (waiting.state, waiting.attempts) == ("waiting", 1)
    assert reason in waiting.reason


def test_a_receiver_that_hangs_is_left_after_the_timeout(
    library: opsin.Library, happen: Happen, receiver: Receiver
) -> None:
    webhook = library.webhooks.create(receiver.url)
    receiver.pause = 1.0
    happen("a")
    Courier(library._workspace, Poster(WebhookSettings(allow_private=True, timeout=0.2))).round()
    (waiting,) = library.webhooks.deliveries(webhook.id)
    assert "webhooks.timeout" in waiting.reason


def test_a_receiver_may_ask_for_time(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    library.webhooks.create(receiver.url)
    receiver.answer, receiver.headers = lambda _: 429, {"Retry-After": "600"}
    happen("a")
    assert courier.round() == clock.now + 600


def test_a_receiver_that_is_gone_switches_its_webhook_off_with_the_reason(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier
) -> None:
    webhook = library.webhooks.create(receiver.url)
    receiver.answer = lambda _: 410
    happen(*"abcdef")
    courier.round()
    courier.round()
    off = library.webhooks.get(webhook.id)
    assert (off.enabled, len(receiver.came)) == (False, 1)
    assert "410" in str(off.reason)
    receiver.answer = lambda _: 204
    assert library.webhooks.change(webhook.id, enabled=True).reason is None
    courier.round()
    assert len(receiver.came) == 1 + 5  # the sixth has its own time to wait for


def test_long_failure_switches_a_webhook_off_with_the_reason(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    webhook = library.webhooks.create(receiver.url)
    receiver.answer = lambda _: 500
    happen(*"abcdef")
    courier.round()
    clock.now += 260_000
    courier.round()
    off = library.webhooks.get(webhook.id)
    assert not off.enabled
    assert "webhooks.give_up" in str(off.reason)


def test_events_are_forgotten_when_all_have_them_or_they_are_too_old(
    library: opsin.Library, happen: Happen, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    def stored() -> int:
        with library._workspace.catalogue.read() as connection:
            return len(outbox.after(connection, 0, 100))

    library.webhooks.create(receiver.url)
    happen(*"abcdef")
    courier.round()
    clock.now += 61
    courier.round()
    assert stored() == 0
    receiver.answer = lambda _: 500
    happen(*"abcdef")
    clock.now = courier.round()
    clock.now += 61
    courier.round()
    assert stored() == 6
    clock.now += 2_000_000_000
    courier.round()
    assert stored() == 0


def test_webhooks_go_to_public_addresses_only(make_library: MakeLibrary, receiver: Receiver) -> None:
    library = make_library("strict", vocabularies=())
    for url in (receiver.url, "http://localhost./", "http://[::1]:9000/", "http://a.localhost/"):
        with pytest.raises(UsageError, match=r"webhooks\.allow_private"):
            library.webhooks.create(url)
    webhook = library.webhooks.create("https://hooks.example/")
    with library._workspace.catalogue.write() as connection:  # as a name that leads there
        outbox.change_webhook(connection, webhook.id, url=receiver.url)
    tried = library.webhooks.test(webhook.id)
    assert (tried.arrived, receiver.came) == (False, [])
    assert "webhooks.allow_private" in str(tried.reason)
    with pytest.raises(SourceUnavailable, match="not a public address"):
        Poster(WebhookSettings(), resolve=lambda *_: ["8.8.8.8", "10.0.0.1"]).post("http://a.example/", b"", {})


def test_a_test_says_what_the_receiver_answers_and_reads_little_of_it(
    library: opsin.Library, receiver: Receiver
) -> None:
    webhook = library.webhooks.create(receiver.url, ["search.matched"])
    receiver.answer = lambda _: 200
    tried = library.webhooks.test(webhook.id)
    assert (tried.arrived, tried.status, len(tried.answer)) == (True, 200, 2048)
    assert receiver.kinds() == ["webhook.test"]


def test_the_secret_is_shown_once_and_changes_keep_it(library: opsin.Library) -> None:
    made = library.webhooks.create("https://hooks.example/a", ["asset.added", "asset.added"])
    assert len(base64.b64decode(made.secret.removeprefix("whsec_"))) == 24
    assert made.events == ("asset.added",)
    assert not hasattr(library.webhooks.get(made.id), "secret")
    changed = library.webhooks.change(made.id, url="https://hooks.example/b", events=["*"], enabled=False)
    assert (changed.url, changed.events, changed.enabled) == ("https://hooks.example/b", ("*",), False)


@pytest.mark.parametrize(
    ("url", "events", "reason"),
    [
        ("ftp://a.example/", ["*"], "only http and https"),
        ("https://ann:secret@a.example/", ["*"], "user name"),
        ("https://", ["*"], "no host"),
        ("https://a.example/" + "x" * 9000, ["*"], "characters"),
        ("https://a.example/", ["asset.eaten"], "asset.added"),
        ("https://a.example/", [], "name the events"),
    ],
)
def test_what_cannot_be_a_webhook_is_refused(library: opsin.Library, url: str, events: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        library.webhooks.create(url, events)


def test_unknown_webhooks_and_deliveries_are_told(library: opsin.Library) -> None:
    made = library.webhooks.create("https://a.example/")
    with pytest.raises(UnknownName):
        library.webhooks.get("nothing")
    with pytest.raises(UnknownName):
        library.webhooks.delete("nothing")
    with pytest.raises(UnknownName):
        library.webhooks.redeliver(made.id, 7)
