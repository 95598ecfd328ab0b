"""Threads that write have their turn in the order in which they came, whatever becomes of those before them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from opsin.catalogue import Catalogue
from opsin.catalogue.queueing import Queue


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_writers_have_their_turn_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.write() as connection:
        connection.execute(text("CREATE TABLE came (who)"))

    def write(who: int) -> None:
        with catalogue.write() as connection:
            connection.execute(text("INSERT INTO came VALUES (:who)"), {"who": who})

    with catalogue.write():
        threads = []
        for who in range(8):
            threads.append(threading.Thread(target=write, args=(who,)))
            threads[-1].start()
            wait_until(lambda: len(catalogue._writers._waiting) == len(threads))
    for thread in threads:
        thread.join()
    with catalogue.read() as connection:
        assert [who for (who,) in connection.execute(text("SELECT who FROM came ORDER BY rowid"))] == list(range(8))
    catalogue.close()


def test_a_transaction_within_a_transaction_is_refused_instead_of_waiting_for_itself(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    with catalogue.write(), pytest.raises(RuntimeError, match="within another"), catalogue.write():
        pass
    with catalogue.write():
        pass
    catalogue.close()


def test_whoever_gives_up_waiting_holds_nobody_up() -> None:
    class GivesUp:
        """A lock in whose second waiting somebody presses Ctrl-C."""

        def __init__(self, handed: bool) -> None:
            self.handed = handed

        def acquire(self) -> None:
            if self.handed:
                queue._waiting.remove(self)  # type: ignore[arg-type]
            raise KeyboardInterrupt

    for handed in (False, True):
        queue = Queue()
        with queue.turn():
            queue._waiting.append(lock := GivesUp(handed))  # type: ignore[arg-type]
            with pytest.raises(KeyboardInterrupt):
                queue._wait(lock)  # type: ignore[arg-type]
        with queue.turn():
            pass
