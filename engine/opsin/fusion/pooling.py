"""Fuses the reports of several categorizers into one score per label."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from opsin.model import Match, Report

FLOOR = 0.05
"""What a categorizer that may answer with a label, and did not, is taken to have scored."""

SILENT_WEIGHT = 0.25
"""How much a family that is silent altogether weighs beside one that scored: it may never have looked for the label."""

_EDGE = 0.001


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What one categorizer contributed to a fused score.

    ``weight`` is its share; the shares of a label add up to 1. ``silent`` is True where the categorizer may answer with
    the label and did not: its ``score`` is then :data:`FLOOR`. ``frame`` is the number of the frame that it judged.
    """

    categorizer: str
    score: float
    weight: float
    frame: int = 0
    silent: bool = False


class Fused(msgspec.Struct, frozen=True, kw_only=True):
    """One label with its fused score (0..1) and where it comes from.

    ``score`` is the logistic of the sum of ``weight * log_odds(score)`` over ``sources``.
    """

    label: str
    score: float
    sources: tuple[Source, ...]


def fuse(
    reports: Sequence[Report],
    *,
    scopes: Mapping[str, Collection[str]] | None = None,
    weights: Mapping[str, float] | None = None,
    synonyms: Mapping[str, str] | None = None,
    above: float = 0.0,
) -> list[Fused]:
    """Return every label that a report scores, sorted by label.

    A label's score is the weighted mean of the log-odds of its scores (the logarithmic opinion pool: Genest and
    Zidek, "Combining probability distributions", Statistical Science 1986). Reports of one family are averaged first,
    so that two categorizers on one model count once. Reports that declined or failed say nothing.

    ``scopes`` maps a categorizer to the labels that it may answer with: its silence about one of them counts as
    :data:`FLOOR`, like a score where others of its family scored the label, else with :data:`SILENT_WEIGHT`. Labels that
    a categorizer declines do not belong into its scope.
    ``weights`` maps a categorizer to its weight (default 1; 0 leaves it out). ``synonyms`` maps other names to label
    ids; of two names of one label in one report the higher score counts. Labels that do not score higher than ``above``
    are left out, most of them unfused: a mean is never higher than its highest member.
    """
    heard = [
        _Heard(report, _by_label(report.matches, synonyms or {}), (scopes or {}).get(report.categorizer, ()), weight)
        for report in reports
        if report.status == "ok" and (weight := (weights or {}).get(report.categorizer, 1.0)) > 0
    ]
    shares: dict[tuple[bool | None, ...], list[float]] = {}  # most labels are spoken of in one of a few ways
    fused = []
    spoken = {label for each in heard for label, match in each.matches.items() if match.score > above or not above}
    for label in sorted(spoken):
        silence = tuple(each.silent_about(label) for each in heard)
        if silence not in shares:
            shares[silence] = _shares(heard, silence)
        sources = tuple(
            each.source(label, share)
            for each, share, silent in zip(heard, shares[silence], silence, strict=True)
            if silent is not None
        )
        if (score := _pooled(sources)) > above or not above:
            fused.append(Fused(label=label, score=score, sources=sources))
    return fused


class _Heard(NamedTuple):
    """One report that counts, with the labels that its categorizer may answer with."""

    report: Report
    matches: Mapping[str, Match]
    scope: Collection[str]
    weight: float

    def silent_about(self, label: str) -> bool | None:
        """Return None where the report has no say."""
        if label in self.matches:
            return False
        return True if label in self.scope else None

    def source(self, label: str, share: float) -> Source:
        match = self.matches.get(label)
        name = self.report.categorizer
        if match is None:
            return Source(categorizer=name, score=FLOOR, weight=share, silent=True)
        return Source(categorizer=name, score=match.score, weight=share, frame=match.frame)


def _shares(heard: Sequence[_Heard], silence: Sequence[bool | None]) -> list[float]:
    """Return each report's share; those with a say add up to 1.

    A family weighs as much as its weightiest member, less if it is silent, and shares that out by weight.
    """
    having_say = [(each, silent) for each, silent in zip(heard, silence, strict=True) if silent is not None]
    whole: dict[str, float] = {}
    heads: dict[str, float] = {}
    speaks = {each.report.family for each, silent in having_say if not silent}
    for each, _ in having_say:
        family = each.report.family
        whole[family] = whole.get(family, 0.0) + each.weight
        heads[family] = max(heads.get(family, 0.0), each.weight * (1 if family in speaks else SILENT_WEIGHT))
    total = math.fsum(heads.values())
    return [
        0.0 if silent is None else heads[(family := each.report.family)] / total * each.weight / whole[family]
        for each, silent in zip(heard, silence, strict=True)
    ]


def unjudged(
    label: str,
    reports: Sequence[Report],
    *,
    scopes: Mapping[str, Collection[str]],
    declines: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """Return why categorizers that know ``label`` did not judge it, by categorizer: to these it is unknown, not absent.

    ``scopes`` is as for :func:`fuse`; ``declines`` maps a categorizer to the labels that it cannot see and why.
    """
    judged = {each.categorizer for each in reports if any(match.label == label for match in each.matches)}
    reasons = {name: labels[label] for name, labels in declines.items() if label in labels and name not in judged}
    said = {each.categorizer: each for each in reports}
    for name in [name for name, scope in scopes.items() if label in scope]:
        if name not in said:
            reasons[name] = "it has not reported"
        elif said[name].status != "ok":
            reasons[name] = said[name].reason or f"it {said[name].status}"
    return dict(sorted(reasons.items()))


def log_odds(score: float) -> float:
    """Return the natural logarithm of ``score / (1 - score)``, with the score first brought into 0.001..0.999."""
    inside = _inside(score)
    return math.log(inside / (1 - inside))


def _inside(score: float) -> float:
    return min(max(score, _EDGE), 1 - _EDGE)


def _by_label(matches: Sequence[Match], synonyms: Mapping[str, str]) -> dict[str, Match]:
    if not synonyms and len(once := {match.label: match for match in matches}) == len(matches):
        return once
    best: dict[str, Match] = {}
    for match in matches:
        label = synonyms.get(match.label, match.label)
        if label not in best or match.score > best[label].score:
            best[label] = match
    return best


def _pooled(sources: Sequence[Source]) -> float:
    if len(sources) == 1:
        return _inside(sources[0].score)
    return 1 / (1 + math.exp(-math.fsum(source.weight * log_odds(source.score) for source in sources)))
