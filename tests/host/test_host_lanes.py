"""Lanes batch what is waiting, halve what raises, and take an object out of use and back again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from opsin.errors import ContractBroken, PluginError
from opsin.host.health import Health
from opsin.host.lane import Lane
from opsin.host.local import PluginObject
from opsin.host.runner import Runner, clock_stopped
from opsin.host.target import Job
from opsin.model import Vocabulary
from opsin.testing import FakeCategorizer


class NumberTarget:
    """Doubles numbers; the guilty ones raise, and ``wrong`` ones are answered wrongly."""

    isolated = False
    revision = "1"
    runtime = ""
    family = ""
    vocabulary: Vocabulary | None = None

    def __init__(self) -> None:
        self.item: PluginObject = FakeCategorizer()
        self.batches: list[list[int]] = []
        self.guilty: set[int] = set()
        self.wrong: set[int] = set()
        self.loads = 0
        self.fail_load = False
        self.gate = threading.Event()
        self.gate.set()

    @property
    def declines(self) -> dict[str, str]:
        return {}

    def load(self) -> None:
        self.loads += 1
        if self.fail_load:
            raise PluginError("raised ValueError: no weights")

    def run(self, payloads: Sequence[Any]) -> list[Any]:
        self.gate.wait(60)
        self.batches.append(list(payloads))
        if self.guilty & set(payloads):
            raise PluginError("raised ValueError: guilty")
        if self.wrong & set(payloads):
            raise ContractBroken("answered wrongly: nonsense")
        return [2 * each for each in payloads]

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        return (method, *arguments)

    def kill(self) -> None: ...

    def close(self) -> None: ...


class Bench:
    """One lane on one runner."""

    def __init__(self, clock: Callable[[], float], batch: int = 8) -> None:
        self.target = NumberTarget()
        self.runner = Runner("test")
        self.lane = Lane(
            self.target,
            plugin="test",
            kind="categorizer",
            name="numbers",
            batch=batch,
            deadline=60,
            load_deadline=60,
            health=Health(clock, backoff=30, longest=900),
        )
        self.runner.add(self.lane)

    def put(self, *numbers: int) -> list[Future[Any]]:
        futures: list[Future[Any]] = [Future() for _ in numbers]
        self.lane.put([Job(number, settler(future)) for number, future in zip(numbers, futures, strict=True)])
        return futures

    def run(self, *numbers: int) -> list[Any]:
        return [future.exception(60) or future.result() for future in self.put(*numbers)]


def settler(future: Future[Any]) -> Callable[[Any, PluginError | None], None]:
    def settle(answer: Any, error: PluginError | None) -> None:
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)

    return settle


def close(bench: Bench) -> None:
    bench.runner.begin_close()
    bench.runner.join(time.monotonic() + 60)


@pytest.fixture
def bench(clock: Callable[[], float]) -> Iterator[Bench]:
    made = Bench(clock)
    yield made
    made.target.gate.set()
    close(made)


def test_what_is_waiting_forms_a_batch_and_nothing_waits_for_a_timer(bench: Bench) -> None:
    bench.target.gate.clear()
    first = bench.put(1)
    rest = bench.put(*range(2, 13))
    bench.target.gate.set()
    assert [future.result(60) for future in (*first, *rest)] == [2 * number for number in range(1, 13)]
    assert all(len(batch) <= 8 for batch in bench.target.batches)
    assert [number for batch in bench.target.batches for number in batch] == list(range(1, 13))
    assert len(bench.target.batches) <= 3


def test_a_batch_that_raises_is_halved_until_the_guilty_one_is_alone(bench: Bench) -> None:
    bench.target.guilty = {5}
    answers = bench.run(1, 2, 3, 4, 5, 6, 7, 8)
    assert isinstance(answers.pop(4), PluginError)
    assert answers == [2, 4, 6, 8, 12, 14, 16]
    assert bench.target.batches == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [5], [6], [7, 8]]
    assert bench.lane.status().state == "ready"
    assert (bench.lane.answered, bench.lane.failed) == (7, 1)


def test_three_batches_in_a_row_quarantine(bench: Bench) -> None:
    bench.target.guilty = {1, 2, 3}
    for number in (1, 2, 3):
        assert bench.lane.status().state in ("idle", "ready")
        assert isinstance(bench.run(number)[0], PluginError)
    assert bench.lane.status().state == "quarantined"
    assert "failed 3 batches in a row" in bench.lane.status().reason
    error = bench.run(4)[0]
    assert "quarantined" in str(error)
    assert [4] not in bench.target.batches


def test_an_answered_batch_ends_the_row(bench: Bench) -> None:
    bench.target.guilty = {1}
    for number in (1, 1, 2, 1, 1, 2):
        bench.run(number)
    assert bench.lane.status().state == "ready"


def test_what_waits_is_settled_when_its_object_is_quarantined(bench: Bench) -> None:
    bench.target.wrong = {1}
    bench.target.gate.clear()
    futures = [*bench.put(1), *bench.put(*range(2, 30))]
    bench.target.gate.set()
    answers = [future.exception(60) for future in futures]
    assert all(isinstance(answer, PluginError) for answer in answers[8:])
    assert isinstance(answers[0], ContractBroken)


def test_revival_doubles_its_back_off_and_a_success_ends_it(bench: Bench, clock: Any) -> None:
    bench.target.wrong = {1}
    waits = []
    for _ in range(7):
        bench.run(1)
        waits.append(bench.lane.status().next_revival or 0)
        clock.now += waits[-1] - 1
        assert "quarantined" in str(bench.run(2)[0])
        clock.now += 1
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert bench.run(2) == [4]
    assert bench.lane.status().state == "ready"
    bench.run(1)
    assert bench.lane.status().next_revival == 30


def test_on_probation_one_failure_is_enough(bench: Bench, clock: Any) -> None:
    bench.target.guilty = {1}
    bench.run(1), bench.run(1), bench.run(1)
    clock.now += 30
    bench.run(1)
    assert bench.lane.status().state == "quarantined"
    assert bench.lane.status().next_revival == 60


def test_a_failed_load_is_tried_again_after_its_back_off(bench: Bench, clock: Any) -> None:
    bench.target.fail_load = True
    assert "could not be loaded" in str(bench.run(1)[0])
    bench.run(1)
    assert bench.target.loads == 1
    clock.now += 30
    bench.target.fail_load = False
    assert bench.run(1) == [2]
    assert bench.target.loads == 2


def test_a_closed_lane_settles_what_comes(bench: Bench) -> None:
    bench.run(1)
    close(bench)
    assert "closed" in str(bench.run(2)[0])


def test_a_failure_of_the_host_itself_leaves_nobody_waiting(bench: Bench) -> None:
    bench.target.run = lambda payloads: [1]  # type: ignore[method-assign] # unchecked: one answer for two items
    answers = bench.run(1, 2)
    assert answers[0] == 1
    assert "the host failed" in str(answers[1])
    assert bench.lane.status().waiting == 0


def test_hanging_for_the_second_time_is_off_for_good(clock: Any) -> None:
    health = Health(clock, backoff=30, longest=900)
    health.hung("did not answer")
    states = [health.state]
    health.stuck = False
    clock.now += 30
    assert health.admits()
    health.hung("did not answer")
    assert [*states, health.state] == ["quarantined", "off"]
    clock.now += 10_000
    assert not health.admits()


def test_waiting_for_another_object_does_not_count_against_the_deadline(bench: Bench, clock: Any) -> None:
    other = Bench(clock)
    other.target.gate.clear()
    waits = threading.Event()

    def ask(payloads: Sequence[Any]) -> list[Any]:
        with clock_stopped():
            waits.set()
            return [future.result(60) for future in other.put(*payloads)]

    bench.target.run = ask  # type: ignore[method-assign]
    bench.lane.deadline = 0.01
    future = bench.put(4)[0]
    assert waits.wait(60)
    time.sleep(0.02)
    bench.runner.watch()
    other.target.gate.set()
    try:
        assert future.result(60) == 8
    finally:
        close(other)


def test_a_call_whose_own_time_is_up_is_given_up(bench: Bench) -> None:
    bench.target.gate.clear()
    bench.lane.deadline = 0.0
    future = bench.put(4)[0]
    while not future.done():
        bench.runner.watch()
    assert "did not answer within" in str(future.exception())
