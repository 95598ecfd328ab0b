"""Taking names from something that may keep its reader waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opsin.services.base.promptly import promptly


def test_items_come_in_order_and_the_end_is_the_end() -> None:
    assert [item for item in promptly(range(300)) if item is not None] == list(range(300))


def test_none_says_that_nothing_comes_for_the_moment() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[str]:
        yield "first"
        go_on.wait()
        yield "second"

    taken: list[str] = []
    for item in promptly(slow()):
        if item is not None:
            taken.append(item)
        elif taken == ["first"]:
            go_on.set()
    assert taken == ["first", "second"]


def test_what_goes_wrong_while_reading_is_raised_where_the_items_are_taken() -> None:
    def broken() -> Iterator[str]:
        yield "first"
        raise LookupError("no more names")

    taken = promptly(broken())
    with pytest.raises(LookupError, match="no more names"):
        list(taken)


def test_whoever_stops_taking_leaves_no_thread_that_reads_on() -> None:
    read: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            read.append(len(read))
            yield len(read)

    before = threading.active_count()
    taken = promptly(endless())
    next(taken)
    taken.close()
    while threading.active_count() > before:
        pass
    assert len(read) < 200
