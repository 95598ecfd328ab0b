"""Turns fused scores, and what people said, into tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from opsin.fusion.pooling import Fused
from opsin.model import Label, Tag
from opsin.plugin.vocabulary import ancestors, label_id
from opsin.settings import TagSettings

ALGORITHM = 2
"""Raise it with every change of this folder after which the same reports give other tags: stored ones are made again."""


class Standing(msgspec.Struct, frozen=True):
    """A label that is a tag by itself, and so implies others: a person added it, with score 1, or models scored it."""

    label: str
    score: float
    by: Literal["person", "model"]
    sources: tuple[str, ...] = ()


def tags(
    fused: Sequence[Fused],
    labels: Mapping[str, Label],
    settings: TagSettings,
    threshold: float | None = None,
    said: Mapping[str, bool] | None = None,
) -> list[Tag]:
    """Return the tags that follow from ``fused`` and from what people ``said`` (label -> present), sorted by label.

    The tags by themselves are those of :func:`standing`. Their parents, theirs, and so on are implied: a tag scores the
    highest of its own score and of those that imply it, and is the person's where that is a person's; an implied tag has
    to pass its threshold too. A label that a person removed is no tag and implies nothing.
    """
    stand = standing(fused, labels, settings, threshold, said)
    best: dict[str, Standing] = {}
    for each in stand.values():
        for parent in ancestors(each.label, labels):
            if parent not in best or each.score > best[parent].score:
                best[parent] = each
    found = []
    for label in sorted(stand.keys() | best.keys()):
        own, above = stand.get(label), best.get(label)
        if own is not None and (above is None or above.score <= own.score):
            found.append(Tag(label=label, score=own.score, by=own.by, sources=own.sources))
        elif above is not None and not _removed(label, said) and above.score > bar(label, settings, threshold):
            sources = own.sources if own else ()
            implied = own is None or own.by != above.by
            found.append(Tag(label=label, score=above.score, by=above.by, sources=sources, implied=implied))
    return found


def standing(
    fused: Sequence[Fused],
    labels: Mapping[str, Label],
    settings: TagSettings,
    threshold: float | None = None,
    said: Mapping[str, bool] | None = None,
) -> dict[str, Standing]:
    """Return the labels that are tags by themselves: what people added, and what models scored and nobody removed.

    A label that models scored becomes a tag where its score is strictly higher than its :func:`bar`.
    """
    found = {label: Standing(label, 1.0, "person") for label, present in (said or {}).items() if present}
    for label, entry in by_label(fused, labels).items():
        if label not in found and not _removed(label, said) and entry.score > bar(label, settings, threshold):
            speakers = tuple(source.categorizer for source in entry.sources if not source.silent)
            found[label] = Standing(label, entry.score, "model", speakers)
    return found


def implying(label: str, stand: Mapping[str, Standing], labels: Mapping[str, Label]) -> list[Standing]:
    """Return those of the :func:`standing` labels that imply ``label``, best first."""
    found = [each for each in stand.values() if label in ancestors(each.label, labels)]
    return sorted(found, key=lambda each: (-each.score, each.label))


def by_label(fused: Sequence[Fused], labels: Mapping[str, Label]) -> dict[str, Fused]:
    """Return what was fused by label: synonyms become their label, of which the highest score counts.

    Labels that ``labels`` does not hold are kept.
    """
    best: dict[str, Fused] = {}
    strange = any(entry.label not in labels for entry in fused)
    synonyms = synonyms_of(labels.values()) if strange else {}
    for entry in fused:
        label = entry.label if entry.label in labels else synonyms.get(label_id(entry.label), entry.label)
        if label not in best or entry.score > best[label].score:
            best[label] = entry
    return best


def bar(label: str, settings: TagSettings, threshold: float | None) -> float:
    """Return what the score of ``label`` has to exceed: ``threshold``, else (None) what the settings say of it."""
    return settings.labels.get(label, settings.threshold) if threshold is None else threshold


def synonyms_of(labels: Iterable[Label]) -> dict[str, str]:
    """Return what other name (as :func:`opsin.plugin.vocabulary.label_id` writes it) means which label.

    An id always means its own label; where two vocabularies disagree about a synonym, the first one counts.
    """
    known = list(labels)
    ids = {label.id for label in known}
    meaning: dict[str, str] = {}
    for label in known:
        for word in (label.text, *label.synonyms):
            if (key := label_id(word)) not in ids:
                meaning.setdefault(key, label.id)
    return meaning


def _removed(label: str, said: Mapping[str, bool] | None) -> bool:
    return said is not None and said.get(label) is False
