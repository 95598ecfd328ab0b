"""What goes wrong with a plugin stays with it: the content is answered, and the plugin's status says what happened."""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsin.host import Analysis, Host, PluginStatus
from opsin.model import Report
from opsin.testing import make_frame

MakeHost = Callable[..., Host]
EXTRA = (("misbehaving", "misbehaving_plugin"),)


def run(host: Host, colour: str = "red") -> Analysis:
    return host.submit([make_frame(colour)]).result(60)


def reports(analysis: Analysis) -> dict[str, Report]:
    return {report.categorizer: report for report in analysis.reports}


def alive_in(group: int) -> list[str]:
    """Return the processes of a group that are no zombies, from /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, member_of = path.read_text().rpartition(") ")[2].split()[:3]
            if int(member_of) == group and state != "Z":
                found.append(path.parent.name)
    return found


def status(host: Host) -> PluginStatus:
    return next(each for each in host.statuses() if each.name == "misbehaving")


def misbehaving(make_host: MakeHost, *, isolate: bool, host: dict[str, float] | None = None, **config: str) -> Host:
    return make_host(plugins={"misbehaving": {"isolate": isolate, **config}}, extra=EXTRA, host=host)


def assert_contained(analysis: Analysis) -> None:
    """The encoder and the other categorizer have answered, and the report says failed and why."""
    assert set(analysis.features[0]) >= {"embedding"}
    found = reports(analysis)
    assert found["fake"].status == "ok"
    assert found["misbehaving"].status == "failed"
    assert found["misbehaving"].reason
    assert not found["misbehaving"].matches


@pytest.mark.parametrize("isolate", [False, True])
def test_a_plugin_that_behaves_is_answered(make_host: MakeHost, isolate: bool) -> None:
    host = misbehaving(make_host, isolate=isolate)
    found = reports(run(host))["misbehaving"]
    assert found.status == "ok"
    assert [(match.label, match.score) for match in found.matches] == [("seen", 0.9)]
    assert status(host).isolated is isolate
    assert status(host).answered == 2


@pytest.mark.parametrize(
    ("how", "isolate"),
    [
        ("raise", False),
        ("exit", False),
        ("interrupt", False),
        ("unspeakable", False),
        ("exit", True),
        ("base", False),
        ("base", True),
    ],
)
def test_a_plugin_that_raises_fails_alone(make_host: MakeHost, how: str, isolate: bool) -> None:
    host = misbehaving(make_host, isolate=isolate, categorize=how)
    assert_contained(run(host))
    assert status(host).state == "ready"
    assert "raised" in status(host).last_error


@pytest.mark.parametrize(
    "how",
    ["short", "long", "tuple", "none", "strings", "nan", "high", "low", "text score", "unknown", "objects", "numpy"],
)
def test_a_wrong_answer_is_rejected_and_quarantines_at_once(make_host: MakeHost, how: str) -> None:
    host = misbehaving(make_host, isolate=False, categorize=how)
    assert_contained(run(host))
    assert status(host).state == "quarantined"
    assert "answered wrongly" in status(host).reason
    assert status(host).next_revival == 30
    assert_contained(run(host))


@pytest.mark.parametrize("how", ["short", "nan", "objects"])
def test_an_isolated_plugin_that_answers_wrongly_is_quarantined(make_host: MakeHost, how: str) -> None:
    host = misbehaving(make_host, isolate=True, categorize=how)
    assert_contained(run(host))
    assert status(host).state == "quarantined"
    assert "answered wrongly" in status(host).reason


@pytest.mark.parametrize(("how", "why"), [("abort", "SIGABRT"), ("_exit", "exit status 5")])
def test_an_isolated_plugin_may_end_its_process(make_host: MakeHost, how: str, why: str) -> None:
    host = misbehaving(make_host, isolate=True, categorize=how)
    analysis = run(host)
    assert_contained(analysis)
    assert why in reports(analysis)["misbehaving"].reason


@pytest.mark.parametrize(("how", "isolate"), [("abort", True), ("raise", True), ("raise", False), ("exit", False)])
def test_the_others_of_a_batch_are_answered(make_host: MakeHost, how: str, isolate: bool) -> None:
    host = misbehaving(make_host, isolate=isolate, categorize=how, guilty="blue")
    host.start()
    colours = ["red", "green", "blue", "yellow", "pink"]
    futures = [host.submit([make_frame(colour)]) for colour in colours]
    states = [reports(future.result(60))["misbehaving"].status for future in futures]
    assert states == ["ok", "ok", "failed", "ok", "ok"]


@pytest.mark.parametrize("how", ["abort", "exit", "hang"])
def test_an_isolated_plugin_that_cannot_be_loaded_is_quarantined(make_host: MakeHost, how: str) -> None:
    host = misbehaving(make_host, isolate=True, load=how, host={"load_deadline": 4.0 if how == "hang" else 60.0})
    assert_contained(run(host))
    assert status(host).state == "quarantined"
    assert "could not be loaded" in status(host).reason


@pytest.mark.parametrize("how", ["exit", "raise"])
def test_a_plugin_that_cannot_be_loaded_is_quarantined_and_tried_again(
    make_host: MakeHost, clock: Callable[[], float], how: str
) -> None:
    host = misbehaving(make_host, isolate=False, load=how)
    assert_contained(run(host))
    assert status(host).state == "quarantined"
    assert "could not be loaded" in status(host).reason
    clock.now += 30  # type: ignore[attr-defined]
    assert_contained(run(host))
    assert status(host).next_revival == 60


def test_a_plugin_that_hangs_is_given_up_and_every_waiting_content_answered(make_host: MakeHost) -> None:
    host = misbehaving(make_host, isolate=False, categorize="hang", host={"deadline": 2.0})
    host.start()
    futures = [host.submit([make_frame("red")]) for _ in range(20)]
    for future in futures:
        analysis = future.result(60)
        assert_contained(analysis)
    assert "did not answer within 2 s" in reports(analysis)["misbehaving"].reason
    assert status(host).state == "quarantined"


def test_a_hung_thread_that_never_returns_keeps_the_plugin_off(make_host: MakeHost, clock: Callable[[], float]) -> None:
    host = misbehaving(make_host, isolate=False, categorize="hang", host={"deadline": 2.0})
    run(host)
    clock.now += 10_000  # type: ignore[attr-defined]
    assert_contained(run(host))
    assert status(host).state == "off"
    assert "until restart" in status(host).reason


def test_the_encoder_does_not_wait_for_a_plugin_that_hangs(make_host: MakeHost) -> None:
    release = importlib.import_module("misbehaving_plugin").RELEASE
    host = misbehaving(make_host, isolate=False, categorize="hang", extract="none")
    waits = host.submit([make_frame("red")])
    assert host.submit([make_frame("red")], ()).result(60).features
    assert len(host.encoder.encode_texts(["a red square"])) == 1
    assert not waits.done()
    release.set()
    waits.result(60)
    release.clear()


def test_a_hung_thread_that_comes_back_gives_the_plugin_one_more_try_and_no_second(
    make_host: MakeHost, clock: Callable[[], float]
) -> None:
    release = importlib.import_module("misbehaving_plugin").RELEASE
    host = misbehaving(make_host, isolate=False, categorize="hang", guilty="blue", host={"deadline": 2.0})
    assert reports(run(host, "red"))["misbehaving"].status == "ok"
    assert_contained(run(host, "blue"))
    assert status(host).state == "quarantined"
    release.set()
    while sum(thread.name == "opsin-plugins" for thread in threading.enumerate()) > 1:
        time.sleep(0.01)
    release.clear()
    clock.now += 30  # type: ignore[attr-defined]
    assert reports(run(host, "red"))["misbehaving"].status == "ok"
    assert_contained(run(host, "blue"))
    assert status(host).state == "off"
    assert "for the second time" in status(host).reason
    clock.now += 10_000  # type: ignore[attr-defined]
    assert_contained(run(host, "red"))


def test_an_isolated_plugin_that_loses_its_process_again_and_again_is_quarantined_and_revived(
    make_host: MakeHost, clock: Callable[[], float]
) -> None:
    host = misbehaving(make_host, isolate=True, categorize="abort", guilty="blue")
    for _ in range(3):
        assert_contained(run(host, "blue"))
    assert status(host).state == "quarantined"
    assert status(host).next_revival == 30
    assert_contained(run(host, "red"))
    clock.now += 30  # type: ignore[attr-defined]
    assert reports(run(host, "red"))["misbehaving"].status == "ok"


def test_an_isolated_plugin_that_hangs_is_killed_and_revived(make_host: MakeHost, clock: Callable[[], float]) -> None:
    host = misbehaving(make_host, isolate=True, categorize="hang", guilty="blue", host={"deadline": 3.0})
    host.start()
    found = reports(run(host, "blue"))
    assert "did not answer within 3 s" in found["misbehaving"].reason
    assert status(host).state == "quarantined"
    assert_contained(run(host, "red"))
    clock.now += 30  # type: ignore[attr-defined]
    assert reports(run(host, "red"))["misbehaving"].status == "ok"
    assert status(host).state == "ready"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("fork and hang", "did not answer within 3 s"),
        ("fork and exit", "exit status 4"),
        ("fork away and hang", "did not answer within 3 s"),
    ],
)
def test_what_an_isolated_plugin_forked_keeps_nobody_waiting_and_ends_with_it(
    make_host: MakeHost, tmp_path: Path, how: str, says: str
) -> None:
    host = misbehaving(make_host, isolate=True, categorize=how, host={"deadline": 3.0})
    host.start()
    pid = int((tmp_path / "cache" / "misbehaving" / "pids.txt").read_text().split()[0])
    begun = time.monotonic()
    assert says in reports(run(host))["misbehaving"].reason
    assert time.monotonic() - begun < 20, "it waited for the forked process, which sleeps for 30 s"
    until = time.monotonic() + 10
    while alive_in(pid):
        assert time.monotonic() < until, "what it forked outlives it"
        time.sleep(0.05)


WRONG_FEATURES = ["short", "shape", "dtype", "infinite", "list", "missing", "extra", "raise"]


@pytest.mark.parametrize("isolate", [False, True])
def test_closing_leaves_a_hung_plugin_behind_and_answers(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, isolate: bool
) -> None:
    monkeypatch.setattr("opsin.host.making.PATIENCE", 0.1)
    host = misbehaving(make_host, isolate=isolate, categorize="hang")
    host.start()
    future = host.submit([make_frame("red")])
    host.close()
    error = future.exception(60)
    assert error is None or "closed" in str(error)


@pytest.mark.parametrize(("how", "isolate"), [*((how, False) for how in WRONG_FEATURES), ("shape", True)])
def test_a_failing_extractor_leaves_its_feature_out(make_host: MakeHost, how: str, isolate: bool) -> None:
    host = misbehaving(make_host, isolate=isolate, extract=how)
    analysis = run(host)
    assert set(analysis.features[0]) == {"embedding"}
    assert reports(analysis)["fake"].status == "ok"
    assert status(host).state == ("ready" if how == "raise" else "quarantined")


def test_declining_is_not_failing(make_host: MakeHost) -> None:
    host = misbehaving(make_host, isolate=False, categorize="declined")
    found = reports(run(host))["misbehaving"]
    assert (found.status, found.reason) == ("declined", "it is a Monday")
