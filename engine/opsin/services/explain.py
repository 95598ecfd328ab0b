"""Why an asset carries a tag: every number, from the model's similarities to the fused score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from opsin.catalogue import assets, contents
from opsin.catalogue.assets import AssetRow
from opsin.errors import PluginError, Refused, UnknownName
from opsin.fusion import Source, fuse, log_odds, unjudged
from opsin.model import Report
from opsin.plugin.vocabulary import ancestors
from opsin.services.meaning import nearest
from opsin.services.reanalyse import read_again
from opsin.services.tagging import joined
from opsin.services.workspace import Workspace


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one categorizer contributed.

    ``score``: 0..1; ``log_odds``: ``ln(score / (1 - score))``, the score brought into 0.001..0.999 first; ``weight``: its
    share of the fused log-odds; ``frame``: the number, in the file, of the frame that it judged, from 0; ``details``: what
    the score was computed from.
    """

    categorizer: str
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
    """Why a label is, or is not, a tag of an asset.

    ``score`` is the logistic of the weighted sum of the sources' log-odds, ``threshold`` what a score has to exceed to
    make a tag; ``implied_by`` names the child labels whose tags imply this one; ``person`` is what a person said, which
    decides alone; ``declined`` names the categorizers that know the label and could not judge it here, with the reason.
    """

    asset: str
    label: str
    tagged: bool
    score: float | None
    threshold: float
    person: Literal["added", "removed"] | None
    implied_by: tuple[str, ...]
    declined: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    encoder: str
    encoder_revision: str


def explain(workspace: Workspace, row: AssetRow, name: str) -> Explanation:
    """Return the whole reckoning behind ``name`` on one asset."""
    host = workspace.ready()
    label = workspace.meaning.label_of(name)
    with workspace.catalogue.read() as connection:
        reports = contents.reports_of(connection, {row.content_id})[row.content_id]
        features = contents.features_of(connection, {row.content_id}, workspace.feature_kinds)[row.content_id]
        numbers = contents.frame_numbers(connection, {row.content_id})[row.content_id]
        said = assets.person_tags(connection, {row.row})[row.row]
    tags = {tag.label: tag for tag in joined(workspace, reports, row.auto_tag, said)}
    fused = {entry.label: entry for entry in fuse(reports, scopes=workspace.meaning.scopes)}.get(label)
    by_categorizer = {report.categorizer: report for report in reports}
    evidence = tuple(
        _evidence(
            by_categorizer[source.categorizer],
            source.score,
            source.weight,
            source.frame,
            silent=source.silent,
            details=_details(
                workspace,
                row,
                source,
                numbers.index(source.frame),
                features,
                label,
                by_categorizer[source.categorizer].revision,
            ),
        )
        for source in (fused.sources if fused else ())
    )
    if fused is None and label not in workspace.meaning.labels and label not in said:
        hint = nearest(label, workspace.meaning.labels.keys())
        msg = f"no vocabulary, categorizer or person knows the label {name!r}{hint}"
        raise UnknownName(msg)
    limits = workspace.settings.tags
    threshold = row.auto_tag if row.auto_tag is not None else limits.labels.get(label, limits.threshold)
    children = tuple(
        tag.label
        for tag in tags.values()
        if tag.by == "model" and label in ancestors(tag.label, workspace.meaning.labels)
    )
    person: Literal["added", "removed"] | None = None
    if label in said:
        person = "added" if said[label] else "removed"
    return Explanation(
        asset=row.id,
        label=label,
        tagged=label in tags,
        score=tags[label].score if label in tags else (fused.score if fused else None),
        threshold=threshold,
        person=person,
        implied_by=children,
        declined=unjudged(label, reports, scopes=workspace.meaning.scopes, declines=workspace.meaning.declines),
        evidence=evidence,
        encoder=host.encoder.name,
        encoder_revision=host.encoder.revision,
    )


def recompute(explanation: Explanation) -> float:
    """Return the fused score that follows from the evidence alone, 0..1."""
    import math

    total = math.fsum(entry.weight * entry.log_odds for entry in explanation.evidence)
    return 1 / (1 + math.exp(-total))


def _details(
    workspace: Workspace,
    row: AssetRow,
    source: Source,
    place: int,
    features: Sequence[Mapping[str, Any]],
    label: str,
    revision: str,
) -> Mapping[str, Any]:
    """Ask the categorizer; one that looks at pixels gets the picture again.

    Where it cannot tell any more, or has another revision than when it reported, ``unavailable`` says why.
    """
    host = workspace.host
    frame = None
    try:
        if (now := host.revisions([source.categorizer])[source.categorizer]) != revision:
            return {"unavailable": f"reported at another revision than the present {now}: `opsin reanalyse --stale`"}
        if not host.categorizers[source.categorizer]:
            with workspace.catalogue.read() as connection:
                named = assets.of_content(connection, row.content_id)
            frame = workspace.decoder.submit(read_again(workspace, named)).result().frames[place]
        return host.explain(source.categorizer, features[place], label, frame=frame)
    except (UnknownName, Refused, PluginError) as error:
        return {"unavailable": str(error)}


def _evidence(
    report: Report, score: float, weight: float, frame: int, *, silent: bool, details: Mapping[str, Any]
) -> Evidence:
    return Evidence(
        categorizer=report.categorizer,
        revision=report.revision,
        family=report.family,
        status=report.status,
        score=score,
        log_odds=log_odds(score),
        weight=weight,
        silent=silent,
        frame=frame,
        details=details,
    )
