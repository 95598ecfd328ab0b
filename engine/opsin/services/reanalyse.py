"""Asking categorizers again: from stored features where these are enough, from the picture only where they are not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from opsin.catalogue import assets, contents, tags
from opsin.catalogue.assets import AssetRow
from opsin.errors import OpsinError, SourceUnavailable, UnknownName
from opsin.model import Report
from opsin.services.commit import Problem, problem
from opsin.services.filters import Condition, rows_matching
from opsin.services.views import model_tags
from opsin.services.workspace import Workspace

_PAGE = 128
_ABREAST = 32
"""Pictures that are opened again at once."""


class Reanalysed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one content. ``categorizers`` were asked; ``opened`` says whether its picture was decoded."""

    location: str
    categorizers: tuple[str, ...]
    opened: bool
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    problem: Problem | None = None


class Plan(msgspec.Struct, frozen=True):
    """Which contents are to be asked about by whom."""

    wanted: Mapping[int, frozenset[str]]

    def __len__(self) -> int:
        return len(self.wanted)


def plan(
    workspace: Workspace,
    *,
    categorizers: Sequence[str] = (),
    missing: bool = False,
    stale: bool = False,
    where: Sequence[Condition] = (),
) -> Plan:
    """Return what is to be done. Neither ``missing`` nor ``stale`` means every report anew.

    ``categorizers`` are ids, or plugin names such as ``zero_shot`` for all of ``zero_shot/...``.

    :raises UnknownName: for a categorizer that there is not.
    """
    workspace.ready_to_analyse()
    revisions = dict(workspace.host.revisions)
    chosen = {known for name in categorizers for known in _named(name, revisions)} if categorizers else set(revisions)
    asked = {name: revision for name, revision in revisions.items() if name in chosen}
    with workspace.catalogue.read() as connection:
        rows = rows_matching(connection, where)
        contents_of = dict(zip(*(column.tolist() for column in assets.content_map(connection)), strict=True))
        selected = {contents_of[int(row)] for row in rows}
        if missing or stale:
            behind = contents.behind(connection, asked, missing=missing, stale=stale)
            return Plan({number: names for number, names in behind.items() if number in selected})
    return Plan(dict.fromkeys(sorted(selected), frozenset(asked)))


def _named(name: str, revisions: Collection[str]) -> list[str]:
    found = [known for known in revisions if known == name or known.startswith(name + "/")]
    if not found:
        msg = f"there is no categorizer {name!r}; there are {', '.join(sorted(revisions))}"
        raise UnknownName(msg)
    return found


def reanalyse(workspace: Workspace, todo: Plan) -> Iterator[Reanalysed]:
    """Carry out a plan and yield each content when its new reports and tags are stored."""
    numbers = sorted(todo.wanted)
    for start in range(0, len(numbers), _PAGE):
        yield from _page(workspace, {number: todo.wanted[number] for number in numbers[start : start + _PAGE]})


def _page(workspace: Workspace, wanted: Mapping[int, frozenset[str]]) -> list[Reanalysed]:
    host = workspace.host
    with workspace.catalogue.read() as connection:
        named = assets.of_contents(connection, wanted)
        features = contents.features_of(connection, wanted, workspace.feature_kinds)
    light = {
        number: frozenset(name for name in names if host.can_categorize(features[number], name))
        for number, names in wanted.items()
    }
    heavy = {number: names - light[number] for number, names in wanted.items() if names - light[number]}
    fresh: dict[int, list[Report]] = {number: [] for number in wanted}
    groups: dict[frozenset[str], list[int]] = {}
    for number, names in light.items():
        if names:
            groups.setdefault(names, []).append(number)
    for names, members in groups.items():
        answers = host.categorize_many([features[number] for number in members], names)
        for number, reports in zip(members, answers, strict=True):
            fresh[number] += reports
    problems: dict[int, Problem] = {}
    with ThreadPoolExecutor(_ABREAST, thread_name_prefix="opsin-again") as pool:
        looks = {number: pool.submit(_look_again, workspace, named[number], names) for number, names in heavy.items()}
        for number, look in looks.items():
            try:
                fresh[number] += look.result()
            except OpsinError as error:
                problems[number] = problem(error)
    changes = _store(workspace, fresh, named)
    return [
        Reanalysed(
            location=named[number][0].location if named[number] else "",
            categorizers=tuple(sorted(names)),
            opened=number in heavy,
            tags_added=changes.get(number, ((), ()))[0],
            tags_removed=changes.get(number, ((), ()))[1],
            problem=problems.get(number),
        )
        for number, names in wanted.items()
    ]


def _look_again(workspace: Workspace, named: Sequence[AssetRow], categorizers: frozenset[str]) -> list[Report]:
    """Decode a picture once more and return what these categorizers say of it."""
    frames = workspace.decoder.submit(read_again(workspace, named)).result().frames
    analysis = workspace.host.submit(frames, categorizers, wait=True).result()
    return [report for report in analysis.reports if report.categorizer in categorizers]


def _store(
    workspace: Workspace, fresh: Mapping[int, Sequence[Report]], named: Mapping[int, Sequence[AssetRow]]
) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Store reports and the tags that follow, in one transaction; return per content the tags gained and lost."""
    changes: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    with workspace.catalogue.write() as connection:
        former = contents.reports_of(connection, fresh)
        for number, reports in fresh.items():
            # What a categorizer said before outlives its failure now; the report stays stale and is asked for again.
            good = {report.categorizer for report in former[number] if report.status == "ok"}
            kept = [report for report in reports if report.status != "failed" or report.categorizer not in good]
            contents.put_reports(connection, {number: kept})
        stored = contents.reports_of(connection, fresh)
        rows = [row for number in fresh for row in named[number]]
        before = tags.tags_of(connection, [row.row for row in rows])
        after = {
            row.row: [tag.label for tag in model_tags(workspace, stored[row.content_id], row.auto_tag)] for row in rows
        }
        tags.put(connection, after, before=before)
    for row in rows:
        old, new = set(before[row.row]), set(after[row.row])
        changes.setdefault(row.content_id, (tuple(sorted(new - old)), tuple(sorted(old - new))))
    return changes


def read_again(workspace: Workspace, named: Sequence[AssetRow]) -> bytes:
    """Return the bytes of a content from its copy, or from where one of its assets is.

    :raises SourceUnavailable: where none of them can be read, or the file holds other bytes by now.
    """
    from opsin.intake.sources import locate
    from opsin.services.analyse import digest

    reasons: list[str] = []
    for row in named:
        if row.copied:
            return workspace.blobs.get(row.sha256)
    for row in named:
        try:
            data = locate(row.location, settings=workspace.settings).read(workspace.settings.decode.max_bytes)
            if digest(data) == row.sha256:
                return data
            reasons.append(f"{row.location} holds another picture by now: add it again")
        except OpsinError as error:
            reasons.append(str(error))
    raise SourceUnavailable("; ".join(reasons) or "the picture has no place any more")
