"""Which categorizers are asked about a picture that comes, and what is kept of those that were left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from opsin.errors import UnknownName
from opsin.model import Report
from opsin.services.base import checked
from opsin.services.base.workspace import Workspace

LEFT_OUT = "left out when the picture was added"
"""Why a report was declined of a categorizer that was not to be asked. It stays so until somebody asks for it by name."""


def named(name: str, known: Collection[str]) -> list[str]:
    """Return the categorizers that ``name`` means: the one of this id, or all of a plugin, such as ``zero_shot``.

    :raises UnknownName: naming those that there are.
    """
    found = [each for each in known if each == name or each.startswith(name + "/")]
    if not found:
        msg = f"there is no categorizer {name[:100]!r}; there are {', '.join(sorted(known))}"
        raise UnknownName(msg)
    return found


def chosen(workspace: Workspace, names: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the categorizers that these names mean, sorted; of no name, none. Nothing is loaded.

    :raises UnknownName: for a name that means nothing, with those that there are.
    """
    wanted = checked.texts(names, "categorizers")
    if not wanted:
        return ()
    known = workspace.host.categorizers
    return tuple(sorted({each for name in wanted for each in named(name, known)}))


def among(workspace: Workspace, ids: Sequence[str]) -> frozenset[str]:
    """Return which of these categorizers are in use by now; all in use where ``ids`` is empty."""
    known = frozenset(workspace.host.categorizers)
    return known & frozenset(ids) if ids else known


def is_left_out(report: Report) -> bool:
    """Return whether the categorizer was not to be asked."""
    return report.status == "declined" and report.reason == LEFT_OUT


def lacking(stored: Iterable[Report], fresh: Iterable[Report]) -> list[Report]:
    """Return those of ``fresh`` whose categorizers were asked now, and left out when ``stored`` were made."""
    absent = {report.categorizer for report in stored if is_left_out(report)}
    return [report for report in fresh if report.categorizer in absent and not is_left_out(report)]


def joined(first: Sequence[Report], second: Sequence[Report]) -> tuple[Report, ...]:
    """Return ``first`` with what ``second`` says where a categorizer was left out."""
    more: Mapping[str, Report] = {report.categorizer: report for report in lacking(first, second)}
    return tuple(more.get(report.categorizer, report) for report in first)
