"""One content on its way through the lanes: features first, then categorizers, then one report per categorizer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from opsin.errors import PluginError
from opsin.host.lane import Lane
from opsin.host.local import item_of
from opsin.host.target import Job
from opsin.host.values import Analysis
from opsin.model import Declined, Match, Matches, Report
from opsin.plugin import Frame, Frames, Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

Answer = Matches | Declined | PluginError | None


class Pass:
    """One content's way. ``frames`` is None where stored features are scored again; ``given`` names all features.

    ``features`` holds what is known of each frame already.

    ``future`` is settled in the thread of the last answer, after ``done`` was called.
    """

    def __init__(
        self,
        *,
        frames: Sequence[Frame] | None,
        features: list[dict[str, NDArray[Any]]],
        encoder: Lane,
        given: Collection[str],
        categorizers: Sequence[Lane],
        done: Callable[[], None],
    ) -> None:
        self.future: Future[Analysis] = Future()
        self.future.set_running_or_notify_cancel()
        self._frames = frames
        self._features = features
        self._encoder = encoder
        self._given = given
        self._categorizers = categorizers
        self._done = done
        self._lock = threading.Lock()
        self._missing: dict[str, PluginError] = {}
        self._answers: dict[str, list[Answer]] = {each.name: [None] * len(features) for each in categorizers}
        self._features_left = 0
        self._answers_left = len(categorizers) * len(features)
        self._settled = False

    def begin(self, extractors: Sequence[Lane]) -> None:
        """Send the frames to the extractors, and to the categorizers that look at pixels."""
        self._features_left = len(extractors) * len(self._features)
        frames = self._frames or ()
        for lane in extractors:
            lane.put([Job(frame, partial(self._extracted, lane, number)) for number, frame in enumerate(frames)])
        for lane in self._categorizers:
            if isinstance(lane.needs, Frames):
                items = [Item(features={}, frame=frame) for frame in frames]
                self._send(lane, items)
        if not extractors:  # else the last of them does, which may have answered already
            self._categorize()

    def _extracted(self, lane: Lane, number: int, answer: Any, error: PluginError | None) -> None:
        with self._lock:
            if error is None:
                # what is stored counts, even where the extractor of something else gives it once more
                self._features[number] = {**answer, **self._features[number]}
            else:
                self._missing.update(dict.fromkeys(lane.gives, error))
            self._features_left -= 1
            if self._settled:
                return
            fatal = error if lane is self._encoder else None
            if fatal is None and self._features_left:
                return
            self._settled = fatal is not None
        if fatal is not None:
            self._done()
            self.future.set_exception(fatal)
            return
        self._categorize()

    def _categorize(self) -> None:
        for lane in self._categorizers:
            needs = lane.needs
            if isinstance(needs, Frames):
                continue
            absent = {name for name in needs for each in self._features if name not in each}
            if absent:
                answer, error = self._without(min(absent))
                for number in range(len(self._features)):
                    self._answered(lane, number, answer, error)
            else:
                self._send(lane, [item_of(each, needs) for each in self._features])
        if not self._answers_left:
            self._finish()

    def _send(self, lane: Lane, items: Sequence[Item]) -> None:
        lane.put([Job(item, partial(self._answered, lane, number)) for number, item in enumerate(items)])

    def _without(self, name: str) -> tuple[Declined | None, PluginError | None]:
        """Return what is said for a categorizer whose feature ``name`` is absent: nobody gives it, or it failed."""
        if name in self._missing:
            return None, PluginError(f"it needs the feature {name!r}, which failed: {self._missing[name]}")
        if name not in self._given:
            return Declined(f"it needs the feature {name!r}, which no plugin in use gives"), None
        return None, PluginError(f"it needs the feature {name!r}, which is not stored")

    def _answered(self, lane: Lane, number: int, answer: Any, error: PluginError | None) -> None:
        with self._lock:
            self._answers[lane.name][number] = answer if error is None else error
            self._answers_left -= 1
            last = not self._answers_left and not self._features_left and not self._settled
        if last:
            self._finish()

    def _finish(self) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = True
        reports = tuple(report_of(lane, self._answers[lane.name]) for lane in self._categorizers)
        self._done()
        self.future.set_result(Analysis(self._features, reports))


def report_of(lane: Lane, answers: Sequence[Answer]) -> Report:
    """Return what one categorizer said of one content, from its answers frame by frame.

    A frame that failed makes the report "failed": what was not looked at is unknown, never "not there". Frames that
    were declined are left out; the report is "declined" where all were.
    """
    head: dict[str, Any] = {"categorizer": lane.name, "revision": lane.revision, "family": lane.family}
    failed = next((each for each in answers if isinstance(each, PluginError)), None)
    if failed is not None:
        return Report(**head, status="failed", reason=str(failed))
    declined = [each for each in answers if isinstance(each, Declined)]
    if declined and len(declined) == len(answers):
        return Report(**head, status="declined", reason=declined[0].reason)
    best: dict[str, Match] = {}
    for number, answer in enumerate(answers):
        for match in answer.matches if isinstance(answer, Matches) else ():
            known = best.get(match.label)
            if known is None or match.score > known.score:
                as_it_is = match.frame == number and type(match.score) is float
                best[match.label] = (
                    match if as_it_is else Match(match.label, float(match.score), match.attributes, number)
                )
    return Report(**head, status="ok", matches=tuple(best.values()))
