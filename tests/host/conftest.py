"""Hosts with the fake encoder, and nothing else unless a test asks for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsin.host import EncoderFacts, Host
from opsin.settings import HostSettings, Settings

BUILT_IN = ("starter", "open_clip", "zero_shot", "objects", "colors", "quality")

MakeHost = Callable[..., Host]


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_host(tmp_path: Path, clock: Clock) -> Iterator[MakeHost]:
    """Return a function that makes a host; keyword arguments are ``host`` and ``plugins`` settings and ``extra``."""
    hosts: list[Host] = []

    def make(
        *,
        host: dict[str, Any] | None = None,
        plugins: dict[str, dict[str, Any]] | None = None,
        extra: tuple[tuple[str, Any], ...] = (),
        vocabularies: tuple[Any, ...] = (),
        encoder: str = "fake",
        made_by: EncoderFacts | None = None,
    ) -> Host:
        off = {name: {"enabled": False} for name in BUILT_IN}
        settings = Settings(host=HostSettings(**(host or {})), plugins={**off, **(plugins or {})})
        made = Host(
            settings,
            cache=tmp_path / "cache",
            encoder=encoder,
            vocabularies=vocabularies,
            plugins=(("fake", "opsin.testing.plugin"), *extra),
            made_by=made_by,
            clock=clock,
        )
        hosts.append(made)
        return made

    yield make
    misbehaving = importlib.import_module("misbehaving_plugin")
    misbehaving.RELEASE.set()
    for each in hosts:
        each.close()
    misbehaving.RELEASE.clear()
