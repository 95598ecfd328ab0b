"""Categorizers as they would be with other vocabularies, beside those in use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from opsin.host.encoder import ask
from opsin.host.roster import Roster
from opsin.host.values import Analysis
from opsin.model import Label, Report, Vocabulary
from opsin.plugin import Frames
from opsin.plugin.vocabulary import merge_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

Features = Sequence[Mapping[str, "NDArray[Any]"]]
Begin = Callable[[list[dict[str, Any]], Collection[str]], Future[Analysis]]
"""Given the features of a content's frames and categorizers, begins to ask these."""


class Trial:
    """The categorizers of one trial.

    ``own`` are those that differ from the ``base`` in use; those that look at pixels, or may answer with any label, are
    taken to say what they said. ``gone`` are those in use that it is without.
    """

    def __init__(self, roster: Roster, base: Roster, begin: Begin) -> None:
        self._roster = roster
        self._own = [
            lane
            for lane in roster.lanes
            if lane not in base.lanes and lane.target.vocabulary is not None and not isinstance(lane.needs, Frames)
        ]
        self._begin = begin
        self.gone = frozenset(lane.name for lane in base.lanes) - {lane.name for lane in roster.lanes}

    @property
    def own(self) -> frozenset[str]:
        """The categorizers that are tried."""
        return frozenset(lane.name for lane in self._own)

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """The labels that each categorizer may answer with."""
        return self._roster.vocabularies

    @property
    def labels(self) -> Mapping[str, Label]:
        """Every label that a categorizer may answer with, by id."""
        return merge_labels(self.vocabularies.values())

    def load(self) -> Mapping[str, Mapping[str, str]]:
        """Load the trial's own categorizers, and return the labels that each of them cannot see, with the reason.

        :raises PluginError: where one cannot be loaded.
        """
        for load in [ask(lane, "ready") for lane in self._own]:
            load.result()
        return {lane.name: lane.target.declines for lane in self._own}

    def categorize_many(self, contents: Sequence[Features]) -> list[list[Report]]:
        """Score contents, by their stored features, with the trial's own categorizers; lists in the same order."""
        futures = [self._begin([dict(each) for each in features], self.own) for features in contents]
        return [list(future.result().reports) for future in futures]
