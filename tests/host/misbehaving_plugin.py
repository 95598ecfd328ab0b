"""A plugin that does on demand what no plugin should; its settings say what, where and for which picture."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from opsin import (
    Categorizer,
    Context,
    Declined,
    Extractor,
    Feature,
    Frame,
    Frames,
    Item,
    Label,
    Manifest,
    Match,
    Matches,
    Vocabulary,
    hookimpl,
)
from opsin.testing import COLOURS

RELEASE = threading.Event()
"""Ends the hanging of this process; in a child process nobody sets it."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``guilty`` is the colour of the picture that sets it off; "" means every picture."""

    load: str = "well"
    categorize: str = "well"
    extract: str = "well"
    guilty: str = ""


@hookimpl
def opsin_manifest() -> Manifest:
    return Manifest(name="misbehaving", summary="Does what no plugin should", config=Config)


@hookimpl
def opsin_categorizers(config: Config) -> Sequence[Categorizer]:
    return [Misbehaving(config)]


@hookimpl
def opsin_extractors(config: Config) -> Sequence[Extractor]:
    return [Size(config)] if config.extract != "none" else []


def misbehave(how: str) -> None:
    if how == "raise":
        raise ValueError("I do not like this picture")
    if how == "exit":
        sys.exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "unspeakable":
        raise UnspeakableError
    if how == "base":
        raise BaseError("nobody catches me")
    if how == "_exit":
        os._exit(5)
    if how == "abort":
        os.abort()
    if how.startswith("fork"):  # the forked process holds what it inherited, as those of data loaders do
        if os.fork() == 0:
            if "away" in how:
                os.setsid()
            time.sleep(30)
            os._exit(0)
        if "exit" in how:
            os._exit(4)
    if "hang" in how:
        RELEASE.wait()


class BaseError(BaseException): ...


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def answer(how: str, count: int) -> Any:
    good = [Matches((Match("seen", 0.9),)) for _ in range(count)]
    return {
        "short": good[:-1],
        "long": [*good, good[0]],
        "tuple": tuple(good),
        "none": None,
        "strings": ["seen"] * count,
        "nan": [Matches((Match("seen", float("nan")),))] * count,
        "high": [Matches((Match("seen", 1.5),))] * count,
        "low": [Matches((Match("seen", -0.1),))] * count,
        "text score": [Matches((Match("seen", "0.5"),))] * count,  # type: ignore[arg-type]
        "unknown": [Matches((Match("never_heard_of", 0.9),))] * count,
        "objects": [Matches((Match("seen", 0.5, {"what": object()}),))] * count,  # type: ignore[dict-item]
        "numpy": [Matches((Match("seen", 0.5, {"what": np.float64(0.5)}),))] * count,
        "declined": [Declined("it is a Monday")] * count,
    }.get(how, good)


class Misbehaving(Categorizer):
    id = "misbehaving"
    revision = "1"
    needs = Frames(min_side=1)
    vocabulary = Vocabulary(name="misbehaving", labels=(Label(id="seen"),))

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sizes: list[int] = []

    def load(self, context: Context) -> None:
        print("this must not reach the pipe")
        context.log.warning("loading in process %d", os.getpid())
        with (context.cache / "pids.txt").open("a") as pids:
            pids.write(f"{os.getpid()}\n")
        misbehave(self.config.load)

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        how = self.config.categorize
        if not any(self._guilty(item) for item in batch):
            how = "well"
        misbehave(how)
        answers: list[Matches | Declined] = answer(how, len(batch))
        return answers

    def _guilty(self, item: Item) -> bool:
        if not self.config.guilty or item.frame is None:
            return True
        pixels = item.frame.pixels
        centre = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
        return bool((centre == COLOURS[self.config.guilty]).all())


class Size(Extractor):
    name = "size"
    revision = "1"
    features = (Feature("size", (2,), "float32"),)

    def __init__(self, config: Config) -> None:
        self.how = config.extract

    def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, Any]]:
        misbehave(self.how)
        rows: list[Mapping[str, Any]] = [{"size": np.array([each.width, each.height], np.float32)} for each in frames]
        wrong: dict[str, list[Mapping[str, Any]]] = {
            "short": rows[:-1],
            "shape": [{"size": np.zeros(3, np.float32)} for _ in rows],
            "dtype": [{"size": np.zeros(2, np.int64)} for _ in rows],
            "infinite": [{"size": np.array([np.inf, 1], np.float32)} for _ in rows],
            "list": [{"size": [1.0, 2.0]} for _ in rows],
            "missing": [{} for _ in rows],
            "extra": [{**row, "more": row["size"]} for row in rows],
        }
        return wrong.get(self.how, rows)
