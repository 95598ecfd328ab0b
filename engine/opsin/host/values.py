"""The values that the host gives out: what it found in a content, and how each plugin is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opsin.model import Report
    from opsin.plugin import Feature

ObjectKind = Literal["encoder", "extractor", "categorizer"]
ObjectState = Literal["idle", "loading", "ready", "quarantined", "off"]
PluginState = Literal["ready", "loading", "unavailable", "quarantined", "off", "broken"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the plugins said about one content.

    ``features`` holds one mapping per frame (feature name to array in the feature's stored dtype); a feature whose
    extractor failed on a frame is left out there. ``reports`` holds one report per categorizer: the best score of each
    label over the frames, with the number of its frame.
    """

    features: list[dict[str, NDArray[Any]]]
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A feature with the plugin whose extractor gives it, and that extractor's revision.

    Both are "" in what the encoder gives: a library has one, whose revision is checked as a whole.
    """

    feature: Feature
    plugin: str
    revision: str


class ObjectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one object of a plugin is. ``next_revival`` is in seconds from now, None where none is planned.

    ``seconds`` is the time that its batches took since the host began.
    """

    kind: ObjectKind
    name: str
    revision: str
    state: ObjectState
    runtime: str = ""
    reason: str = ""
    isolated: bool = False
    waiting: int = 0
    answered: int = 0
    failed: int = 0
    seconds: float = 0.0
    declines: Mapping[str, str] = {}
    last_error: str = ""
    next_revival: float | None = None


class PluginStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one plugin is; ``answered`` and ``failed`` count items since the host began."""

    name: str
    state: PluginState
    summary: str = ""
    distribution: str = ""
    version: str = ""
    module: str = ""
    reason: str = ""
    isolated: bool = False
    objects: tuple[ObjectStatus, ...] = ()
    answered: int = 0
    failed: int = 0
    last_error: str = ""
    next_revival: float | None = None
