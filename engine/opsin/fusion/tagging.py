"""Turns fused scores into tags, and joins them with what people said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from opsin.fusion.pooling import Fused
from opsin.model import Label, Tag
from opsin.plugin.vocabulary import ancestors, label_id
from opsin.settings import TagSettings

ALGORITHM = 1
"""Raise it with every change of this folder after which the same reports give other tags: stored ones are made again."""


def tags(
    fused: Sequence[Fused], labels: Mapping[str, Label], settings: TagSettings, threshold: float | None = None
) -> list[Tag]:
    """Return the tags that follow from ``fused``, sorted by label.

    A label becomes a tag where its score is strictly higher than ``threshold``, else (None) than its own entry in
    ``settings.labels``, else than ``settings.threshold``. Names that are synonyms in ``labels`` become their label.
    The parents of a tag, theirs, and so on are implied: an implied tag scores the highest of its own score and of the
    tags below it, and has to pass the same threshold. Labels that ``labels`` does not hold are kept and imply nothing.
    """
    best: dict[str, Fused] = {}
    strange = any(entry.label not in labels for entry in fused)
    synonyms = synonyms_of(labels.values()) if strange else {}
    for entry in fused:
        label = entry.label if entry.label in labels else synonyms.get(label_id(entry.label), entry.label)
        if label not in best or entry.score > best[label].score:
            best[label] = entry
    own = {label: entry for label, entry in best.items() if entry.score > _bar(label, settings, threshold)}
    score = {label: entry.score for label, entry in own.items()}
    for label, entry in own.items():
        for parent in ancestors(label, labels):
            score[parent] = max(score.get(parent, 0.0), entry.score)
    return [
        Tag(label=label, score=score[label], by="model", sources=_speakers(own.get(label)), implied=label not in own)
        for label in sorted(score)
        if score[label] > _bar(label, settings, threshold)
    ]


def merge_person(
    found: Sequence[Tag],
    added: Collection[str],
    removed: Collection[str],
    *,
    labels: Mapping[str, Label] | None = None,
) -> list[Tag]:
    """Join the models' tags with the tags that people added and removed, sorted by label.

    What a person added stays, with score 1, whatever the models say; what a person removed stays away, implied or not;
    a label that is in both was removed. With ``labels``, an implied tag goes too where no tag is left that implies it.
    Tags of persons imply nothing.
    """
    people = [Tag(label=label, score=1.0, by="person") for label in added if label not in removed]
    taken = {*removed, *added}
    models = [tag for tag in found if tag.by == "model" and tag.label not in taken]
    if labels is not None:
        standing = [tag.label for tag in models if not tag.implied] + [tag.label for tag in people]
        implied = {parent for label in standing for parent in ancestors(label, labels)}
        models = [tag for tag in models if not tag.implied or tag.label in implied]
    return sorted([*people, *models], key=lambda tag: tag.label)


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


def _bar(label: str, settings: TagSettings, threshold: float | None) -> float:
    return settings.labels.get(label, settings.threshold) if threshold is None else threshold


def _speakers(entry: Fused | None) -> tuple[str, ...]:
    return tuple(source.categorizer for source in entry.sources if not source.silent) if entry else ()
