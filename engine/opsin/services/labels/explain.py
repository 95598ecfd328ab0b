"""Why an asset carries a tag: every number, from the model's similarities to the fused score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from opsin.catalogue import assets, contents, features
from opsin.catalogue.assets import AssetRow
from opsin.errors import PluginError, Refused, UnknownName
from opsin.fusion import Source, Standing, bar, by_label, fuse, implying, log_odds, standing, unjudged
from opsin.model import Report, Vocabulary
from opsin.services.base.meaning import unknown_label
from opsin.services.base.tagging import joined
from opsin.services.base.workspace import Workspace
from opsin.services.looking.originals import read_again


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one categorizer contributed.

    ``plugin`` is whose it is, ``vocabulary`` the name and the revision of the labels that it judged by; both are "" where it
    is not in use any more, the latter also where it reported by other ones.
    ``score``: 0..1; ``log_odds``: ``ln(score / (1 - score))``, the score brought into 0.001..0.999 first; ``weight``: its
    share of the fused log-odds; ``frame``: the number, in the file, of the frame that it judged, from 0; ``details``: what
    the score was computed from.
    """

    categorizer: str
    plugin: str
    vocabulary: str
    revision: str
    family: str
    status: str
    score: float
    log_odds: float
    weight: float
    silent: bool
    frame: int
    details: Mapping[str, Any]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a label is, or is not, a tag of an asset, so that each number can be computed again.

    ``own_score`` is the logistic of the sum of the evidence's ``weight * log_odds``, None without evidence. ``implied_by``
    are the labels that are tags by themselves and imply this one, best first, each with the score that it has by itself:
    the ``own_score`` of its own explanation, or 1 where a person added it. ``implied_score`` is the highest of these, None
    where nothing implies it. ``score`` is 1 where a person added the label, else the higher of ``own_score`` and
    ``implied_score``, None where there is neither.

    ``threshold`` is what ``score`` has to exceed to make a tag. ``person`` is what a person said, which decides alone:
    ``tagged`` is False for what was removed, whatever it scores. ``declined`` names the categorizers that know the label
    and could not judge it here, with the reason.
    """

    asset: str
    label: str
    tagged: bool
    score: float | None
    own_score: float | None
    implied_score: float | None
    threshold: float
    person: Literal["added", "removed"] | None
    implied_by: tuple[Standing, ...]
    declined: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    encoder: str
    encoder_revision: str


def explain(workspace: Workspace, row: AssetRow, name: str) -> Explanation:
    """Return the whole reckoning behind ``name`` on one asset.

    :raises UnknownName: where no vocabulary, categorizer or person knows it.
    """
    host, meaning, limits = workspace.ready(), workspace.meaning, workspace.settings.tags
    label = meaning.label_of(name)
    with workspace.catalogue.read() as connection:
        reports = contents.reports_of(connection, {row.content_id})[row.content_id]
        stored = features.of_contents(connection, {row.content_id}, workspace.feature_kinds)[row.content_id]
        numbers = contents.frame_numbers(connection, {row.content_id})[row.content_id]
        said = assets.person_tags(connection, {row.row})[row.row]
    fused = fuse(reports, scopes=meaning.scopes)
    own = by_label(fused, meaning.labels).get(label)
    if own is None and label not in meaning.labels and label not in said:
        raise unknown_label(name, meaning.labels.keys())
    by_categorizer = {report.categorizer: report for report in reports}
    evidence = []
    if own is not None:
        for source in own.sources:
            report, place = by_categorizer[source.categorizer], numbers.index(source.frame)
            details = _details(workspace, row, report, place, stored, own.label)
            used = None if "unavailable" in details else host.vocabularies.get(source.categorizer)
            evidence.append(_evidence(report, source, details, host.owners.get(source.categorizer, ""), used))
    stand = standing(fused, meaning.labels, limits, row.auto_tag, said)
    above = implying(label, stand, meaning.labels)
    added = said.get(label, False)
    scores = [1.0] if added else [each.score for each in (own, *above[:1]) if each is not None]
    threshold = bar(label, limits, row.auto_tag)
    return Explanation(
        asset=row.id,
        label=label,
        tagged=any(tag.label == label for tag in joined(workspace, reports, row.auto_tag, said)),
        score=max(scores, default=None),
        own_score=own.score if own else None,
        implied_score=above[0].score if above else None,
        threshold=threshold,
        person=("added" if added else "removed") if label in said else None,
        implied_by=tuple(above),
        declined=unjudged(label, reports, scopes=meaning.scopes, declines=meaning.declines),
        evidence=tuple(evidence),
        encoder=host.encoder.name,
        encoder_revision=host.encoder.revision,
    )


def _details(
    workspace: Workspace,
    row: AssetRow,
    report: Report,
    place: int,
    stored: Sequence[Mapping[str, Any]],
    label: str,
) -> Mapping[str, Any]:
    """Ask the categorizer; one that looks at pixels gets the picture again.

    Where it cannot tell any more, or has another revision than when it reported, ``unavailable`` says why.
    """
    host, name = workspace.host, report.categorizer
    frame = None
    try:
        if (now := host.revisions([name])[name]) != report.revision:
            return {"unavailable": f"reported at another revision than the present {now}: `opsin reanalyse --stale`"}
        if not host.categorizers[name]:
            with workspace.catalogue.read() as connection:
                named = assets.of_content(connection, row.content_id)
            frame = workspace.decoder.submit(read_again(workspace, named)).result().frames[place]
        return host.explain(name, stored[place], label, frame=frame)
    except (UnknownName, Refused, PluginError) as error:
        return {"unavailable": str(error)}


def _evidence(
    report: Report, source: Source, details: Mapping[str, Any], plugin: str, vocabulary: Vocabulary | None
) -> Evidence:
    return Evidence(
        categorizer=report.categorizer,
        plugin=plugin,
        vocabulary="" if vocabulary is None else f"{vocabulary.name} {vocabulary.revision}",
        revision=report.revision,
        family=report.family,
        status=report.status,
        score=source.score,
        log_odds=log_odds(source.score),
        weight=source.weight,
        silent=source.silent,
        frame=source.frame,
        details=details,
    )
