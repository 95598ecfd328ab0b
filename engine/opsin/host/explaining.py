"""Asks one categorizer what a score comes from: finds the label and what the categorizer would have seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsin.errors import PluginError, UnknownName
from opsin.host.encoder import ask
from opsin.host.lane import Lane
from opsin.host.local import item_of
from opsin.model import Label
from opsin.plugin import Frame, Frames, Item

if TYPE_CHECKING:
    from numpy.typing import NDArray


def explain(
    lane: Lane, features: Mapping[str, NDArray[Any]], label: str | Label, frame: Frame | None
) -> Mapping[str, Any]:
    """Return what the categorizer of ``lane`` says of ``label``, for one frame's stored features.

    :raises UnknownName: for a label that it does not know.
    :raises PluginError: where it is out of use or fails, or a feature is missing.
    """
    if isinstance(label, str):
        known = lane.target.vocabulary
        found = Label(id=label) if known is None else known.by_id.get(label)
        if found is None:
            msg = f"the categorizer {lane.name!r} has no label {label!r}"
            raise UnknownName(msg)
        label = found
    needs = lane.needs
    if isinstance(needs, Frames):
        seen = Item(features={}, frame=frame)
    else:
        absent = sorted(needs - set(features))
        if absent:
            msg = f"the categorizer {lane.name!r} needs the feature {absent[0]!r}, which is missing"
            raise PluginError(msg)
        seen = item_of(features, needs)
    answer: Mapping[str, Any] = ask(lane, "explain", seen, label).result()
    return answer
