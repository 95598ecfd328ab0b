"""How frames, items and answers look on the wire between the host and an isolated plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opsin.errors import ContractBroken, PluginError, PluginUnavailable
from opsin.host.recipe import Recipe
from opsin.model import Declined, Match, Matches, Vocabulary
from opsin.plugin import Extractor, Frame, Item, View
from opsin.settings import HostSettings

_ERRORS: Mapping[str, type[PluginError]] = {
    each.code: each for each in (PluginError, ContractBroken, PluginUnavailable)
}


class EncoderFacts(msgspec.Struct, frozen=True):
    """What an isolated categorizer may know of the encoder without asking."""

    name: str
    revision: str
    space: str
    dim: int


class Opening(msgspec.Struct, frozen=True):
    """Everything that a child needs to build and load one object."""

    plugin: str
    source: str
    distribution: str
    config: Mapping[str, Any]
    recipe: Recipe
    cache: str
    settings: HostSettings
    encoder: EncoderFacts | None


class Facts(msgspec.Struct, frozen=True):
    """What an object says of itself after it was loaded."""

    revision: str
    runtime: str = ""
    family: str = ""
    declines: Mapping[str, str] = {}
    vocabulary: Vocabulary | None = None


def pack_error(error: PluginError) -> list[str]:
    """Return an error as its code and message."""
    return [error.code if error.code in _ERRORS else PluginError.code, str(error)]


def unpack_error(packed: Sequence[str]) -> PluginError:
    """Return the error that ``pack_error`` packed."""
    code, text = packed
    return _ERRORS.get(code, PluginError)(text)


def pack_payloads(payloads: Sequence[Frame | Item], item: object) -> list[Any]:
    """Return frames, or items, in plain form; of a frame's views only the one that ``item`` declares goes along."""
    view = item.view if isinstance(item, Extractor) else None
    return [
        pack_frame(each, view) if isinstance(each, Frame) else [dict(each.features), _maybe_frame(each.frame)]
        for each in payloads
    ]


def _maybe_frame(frame: Frame | None) -> list[Any] | None:
    return None if frame is None else pack_frame(frame, None)


def pack_frame(frame: Frame, view: View | None) -> list[Any]:
    """Return a frame in plain form."""
    made = frame.views.get(view) if view is not None else None
    views = [] if made is None else [[view, made]]
    return [frame.pixels, frame.width, frame.height, frame.number, frame.total, views]


def unpack_frame(packed: Sequence[Any]) -> Frame:
    """Return the frame that ``pack_frame`` packed."""
    pixels, width, height, number, total, views = packed
    made = {msgspec.convert(view, View): pixels for view, pixels in views}
    return Frame(pixels, width=width, height=height, number=number, total=total, views=made)


def unpack_item(packed: Sequence[Any]) -> Item:
    """Return the item that ``pack_payloads`` packed."""
    features, frame = packed
    return Item(features=features, frame=None if frame is None else unpack_frame(frame))


def pack_answer(answer: Any) -> Any:
    """Return one answer of an extractor (a mapping) or a categorizer in plain form."""
    if isinstance(answer, Declined):
        return ["declined", answer.reason]
    if isinstance(answer, Matches):
        return ["matches", [[match.label, float(match.score), dict(match.attributes)] for match in answer.matches]]
    return answer


def unpack_answer(packed: Any) -> Any:
    """Return the answer that ``pack_answer`` packed."""
    if isinstance(packed, Mapping):
        return packed
    kind, value = packed
    if kind == "declined":
        return Declined(value)
    return Matches(tuple(Match(label, score, attributes) for label, score, attributes in value))
