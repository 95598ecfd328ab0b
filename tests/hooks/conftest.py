"""Fixtures of the tests of events: a receiver, and a library whose webhooks may go to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from tests.hooks.receiving import Receiver, receiving

import opsin
from opsin.catalogue import outbox
from opsin.catalogue.outbox import NewEvent
from opsin.intake.posting import Poster
from opsin.services.telling.delivering import Courier

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

Happen = Callable[..., None]
SETTINGS = """
[webhooks]
allow_private = true
attempts = 3
backoff = 10.0
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    return make_library(settings=SETTINGS, vocabularies=())


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def courier(library: opsin.Library, clock: Clock) -> Courier:
    """Return what delivers the library's events, by a clock that the test moves, without chance."""
    workspace = library._workspace
    return Courier(workspace, Poster(workspace.settings.webhooks), clock=clock, chance=lambda: 0.5)


@pytest.fixture
def happen(library: opsin.Library) -> Happen:
    """Return a function that writes events of assets, by name, as their services would: nothing is added for it."""
    rows: dict[str, int] = {}

    def write(*names: str, kind: str = "asset.added") -> None:
        new = [
            NewEvent(kind, rows.setdefault(name, len(rows) + 1), b'{"asset":{"name":"%s"}}' % name.encode())
            for name in names
        ]
        with library._workspace.catalogue.write() as connection:
            outbox.add(connection, new)

    return write
