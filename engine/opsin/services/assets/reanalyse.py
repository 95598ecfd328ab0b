"""Asking categorizers again: from stored features where these are enough, from the picture only where they are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from opsin.catalogue import assets, contents, features
from opsin.catalogue.assets import AssetRow
from opsin.errors import LibraryError, OpsinError, PluginError
from opsin.model import Report
from opsin.services.assets.planning import Plan
from opsin.services.base.pool import done_here
from opsin.services.base.problem import Problem, problem
from opsin.services.base.tagging import settle, store, tags_of
from opsin.services.base.workspace import Workspace
from opsin.services.looking import facts
from opsin.services.looking.chosen import LEFT_OUT, among
from opsin.services.looking.originals import read_again
from opsin.services.telling.events import LabelChange, change, of_labels, tell

_PAGE = 128


class Reanalysed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one content. ``categorizers`` were asked; ``opened`` says whether its picture was decoded.

    ``features`` were missing or outdated and are stored now. ``failed_reports`` names the categorizers that failed on it,
    with the reason: that is a ``problem``, too. ``failed``: a plugin's fault; ``refused``: any other problem.
    """

    location: str
    status: Literal["asked", "refused", "failed"] = "asked"
    categorizers: tuple[str, ...]
    opened: bool
    features: tuple[str, ...] = ()
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    failed_reports: Mapping[str, str] = {}
    problem: Problem | None = None


class Reanalysis(msgspec.Struct, kw_only=True):
    """What came of a plan: contents asked about, pictures ``opened``, contents whose tags ``changed``, and how many did.

    ``problems``: contents of which something could not be had; ``failed``: those of them where a plugin is at fault;
    ``failed_reports``: on how many of these each categorizer failed.
    """

    contents: int = 0
    opened: int = 0
    changed: int = 0
    tags_added: int = 0
    tags_removed: int = 0
    problems: int = 0
    failed: int = 0
    failed_reports: dict[str, int] = {}


def reanalyse(workspace: Workspace, todo: Plan, progress: Callable[[Reanalysed], None] | None = None) -> Reanalysis:
    """Carry out a plan; ``progress`` is told of each content when its new reports and tags are stored."""
    counts = Reanalysis()
    numbers, rules = sorted(todo.wanted), workspace.meaning.rules
    for start in range(0, len(numbers), _PAGE):
        wanted = {number: todo.wanted[number] for number in numbers[start : start + _PAGE]}
        for done in _page(workspace, wanted, todo.lack):
            counts.contents += 1
            counts.opened += done.opened
            counts.changed += bool(done.tags_added or done.tags_removed)
            counts.tags_added += len(done.tags_added)
            counts.tags_removed += len(done.tags_removed)
            counts.problems += done.problem is not None
            counts.failed += done.status == "failed"
            for name in done.failed_reports:
                counts.failed_reports[name] = counts.failed_reports.get(name, 0) + 1
            if progress is not None:
                progress(done)
    settle(workspace, rules, numbers)
    return counts


class _Look(msgspec.Struct):
    """What opening a picture again gave: reports, the features that were lacking, and those that are lacking still."""

    reports: list[Report]
    features: list[dict[str, NDArray[Any]]]
    names: tuple[str, ...]
    absent: tuple[str, ...]


def bring_up_to_date(workspace: Workspace, number: int, data: bytes, categorizers: Sequence[str] = ()) -> None:
    """Ask about a content that is known, and whose bytes are at hand, what was not asked at the present revisions.

    Asked are these ``categorizers``, all where none is named, also those that were left out before.
    What failed at these is left to ``plan(missing=True)``. Where nothing new can be had, what was said before stays.
    """
    kinds = workspace.feature_kinds
    with workspace.catalogue.read() as connection:
        said = contents.revisions_of(connection, number)
        left_out = contents.declined_for(connection, LEFT_OUT, [number]).get(number, frozenset())
        given = features.revisions_of(connection, number)
    asked = workspace.host.revisions(among(workspace, categorizers))
    wanted = frozenset(name for name, revision in asked.items() if said.get(name) != revision or name in left_out)
    older = any(name in kinds and revision != kinds[name].revision for name, revision in given)
    if wanted or older:
        _page(workspace, {number: wanted}, {number} if older else (), data)


def _page(
    workspace: Workspace, wanted: Mapping[int, frozenset[str]], lack: Collection[int], data: bytes | None = None
) -> list[Reanalysed]:
    """Ask about these contents and store what is said; ``data`` are the bytes of the only one, where they are at hand.

    Where a vocabulary changes meanwhile, they are asked about again.
    """
    while (done := _asked(workspace, wanted, lack, data)) is None:
        known = workspace.host.categorizers.keys()
        wanted = {number: names.intersection(known) for number, names in wanted.items()}
    return done


def _asked(
    workspace: Workspace, wanted: Mapping[int, frozenset[str]], lack: Collection[int], data: bytes | None
) -> list[Reanalysed] | None:
    """Ask about these contents once; None, and nothing is stored, where a vocabulary changed meanwhile."""
    edition, host = workspace.edition, workspace.host
    with workspace.catalogue.read() as connection:
        named = assets.of_contents(connection, wanted)
        stored = features.of_contents(connection, wanted, workspace.feature_kinds)
    heavy = {
        number: frozenset(name for name in names if host.lacks(stored[number], name))
        for number, names in wanted.items()
    }
    opened = [number for number, names in heavy.items() if names or number in lack]
    fresh: dict[int, list[Report]] = {number: [] for number in wanted}
    groups: dict[frozenset[str], list[int]] = {}
    for number, names in wanted.items():
        if light := names - heavy[number]:
            groups.setdefault(light, []).append(number)
    for names, members in groups.items():
        answers = host.categorize_many([stored[number] for number in members], names)
        for number, reports in zip(members, answers, strict=True):
            fresh[number] += reports
    errors: dict[int, OpsinError] = {}
    looks: dict[int, _Look] = {}
    with workspace.pool.caller() as caller:
        # Whoever has the bytes at hand is a thread of the pool itself, which must not wait for another one.
        begin = caller.submit if data is None else done_here
        waiting = {
            number: begin(_look_again, workspace, named[number], stored[number], heavy[number], data)
            for number in opened
        }
        for number, future in waiting.items():
            try:
                look = looks[number] = future.result()
            except OpsinError as error:
                errors[number] = error
                continue
            fresh[number] += look.reports
            if look.absent:
                msg = f"no {' and '.join(look.absent)} could be had of it: `opsin plugins doctor` says why"
                errors[number] = PluginError(msg)
    workspace.check_encoder()
    found = {number: look.features for number, look in looks.items()}
    changes = _store(workspace, fresh, found, edition)
    if changes is None:
        return None
    failures = {number: facts.failed(reports) for number, reports in fresh.items()}
    errors = {number: _failed(reasons) for number, reasons in failures.items() if reasons} | errors
    return [
        Reanalysed(
            location=named[number][0].location if named[number] else "",
            status=_status(errors.get(number)),
            categorizers=tuple(sorted(names)),
            opened=number in waiting,
            features=looks[number].names if number in looks else (),
            tags_added=changes.get(number, ((), ()))[0],
            tags_removed=changes.get(number, ((), ()))[1],
            failed_reports=failures[number],
            problem=problem(errors[number]) if number in errors else None,
        )
        for number, names in wanted.items()
    ]


def _failed(reasons: Mapping[str, str]) -> OpsinError:
    return PluginError("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def _status(error: OpsinError | None) -> Literal["asked", "refused", "failed"]:
    if error is None:
        return "asked"
    return "failed" if isinstance(error, PluginError) else "refused"


def _look_again(
    workspace: Workspace,
    named: Sequence[AssetRow],
    stored: Sequence[Mapping[str, NDArray[Any]]],
    categorizers: frozenset[str],
    data: bytes | None,
) -> _Look:
    """Decode a picture once more, extract the features that are not ``stored``, and ask these categorizers."""
    frames = workspace.decoder.submit(read_again(workspace, named) if data is None else data).result().frames
    if len(frames) != len(stored):
        msg = f"{len(stored)} frames of it were looked at before, now there are {len(frames)}: set decode.max_frames as it was"
        raise LibraryError(msg)
    analysis = workspace.host.submit(frames, categorizers, known=stored, wait=True).result()
    fresh = [
        {name: array for name, array in after.items() if name not in before}
        for before, after in zip(stored, analysis.features, strict=True)
    ]
    absent = {name for each in analysis.features for name in workspace.feature_kinds.keys() - each.keys()}
    return _Look(
        reports=list(analysis.reports),
        features=fresh,
        names=tuple(sorted({name for each in fresh for name in each})),
        absent=tuple(sorted(absent)),
    )


def _store(
    workspace: Workspace,
    fresh: Mapping[int, Sequence[Report]],
    found: Mapping[int, Sequence[Mapping[str, NDArray[Any]]]],
    edition: int,
) -> dict[int, LabelChange] | None:
    """Store features, reports and the tags that follow, in one transaction; return per content the tags gained and lost.

    Contents that were erased since they were asked about are left out, as are assets that were deleted. None, and nothing
    is stored, where the vocabularies are not those of ``edition`` any more.
    """
    changes: dict[int, LabelChange] = {}
    with workspace.catalogue.write() as connection:
        if workspace.edition != edition:
            return None
        there = contents.there(connection, fresh)
        fresh = {number: reports for number, reports in fresh.items() if number in there}
        found = {number: each for number, each in found.items() if number in there}
        named = assets.of_contents(connection, fresh)
        features.put(connection, found, workspace.feature_kinds)
        former = contents.reports_of(connection, fresh)
        for number, reports in fresh.items():
            # What a categorizer said before outlives its failure now; the report stays stale and is asked for again.
            good = {report.categorizer for report in former[number] if report.status == "ok"}
            kept = [report for report in reports if report.status != "failed" or report.categorizer not in good]
            contents.put_reports(connection, {number: kept})
        rows = [row for number in fresh for row in named[number]]
        after = tags_of(workspace, connection, rows)
        before = store(connection, after)
        shifts = {row.row: change(before[row.row], after[row.row]) for row in rows}
        tell(workspace, connection, of_labels("asset.reanalysed", shifts), after)
    for row in rows:
        changes.setdefault(row.content_id, shifts[row.row])
    return changes
