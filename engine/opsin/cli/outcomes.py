"""What came of a job, for people: a few words, a line for each problem, and the exit status that it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from opsin.cli.failing import Failing
from opsin.cli.output import Few, counted, printable, tag_changes
from opsin.errors import PluginError, Refused

if TYPE_CHECKING:
    from opsin.library import Job, Reanalysis

_SHOWN = 10
_WORDS = {
    "added": "added",
    "known": "added again under another name (same bytes)",
    "unchanged": "unchanged",
    "copied": "copied in",
    "moved": "moved",
    "changed": "changed",
    "returned": "back again",
    "refused": "refused",
    "failed": "failed",
    "vanished": "vanished",
}
_TROUBLE = ("refused", "failed")


class Outcome(NamedTuple):
    """What came of a job. ``words`` says it, ``trouble`` only what is wrong; ``problems`` holds a line for each."""

    words: str = ""
    trouble: str = ""
    problems: tuple[str, ...] = ()
    status: int = 0

    def tell(self) -> None:
        """Print the first problems on standard error, and how many more there are."""
        few = Few(_SHOWN, f"... and {len(self.problems) - _SHOWN:,} more; --json names all.")
        for line in self.problems:
            few.line(line, problem=True)


def in_words(counts: Mapping[str, int]) -> list[str]:
    """Return what became of pictures that were added: ``2 added``, ``1 refused``."""
    return [f"{counts[status]} {words}" for status, words in _WORDS.items() if counts.get(status)]


def status_of(counts: Mapping[str, int]) -> int:
    """Return the exit status of a command that added pictures with these outcomes."""
    if counts.get("failed"):
        return PluginError.exit_status
    return Refused.exit_status if counts.get("refused") or counts.get("unreachable") else 0


def outcome_of(job: Job, failing: Failing) -> Outcome:
    """Return what came of a job; ``failing`` is told of the categorizers that failed in it."""
    if job.problem is not None:
        return Outcome(job.problem.message, job.problem.message, status=1)
    if job.state != "done" or job.result is None:
        return Outcome(status=1 if job.over and job.state != "done" else 0)
    if job.kind == "add":
        return _added(job.result["results"], failing)
    if job.kind in {"reanalyse", "rescore"}:
        from opsin.library import Reanalysis

        done = msgspec.convert(job.result, Reanalysis)
        failing.count(done.failed_reports)
        return asked_again(done)
    return Outcome()


def asked_again(done: Reanalysis) -> Outcome:
    """Return what came of asking categorizers again."""
    asked = f"{counted(done.contents, 'picture')} asked about again ({done.opened or 'none'} opened)"
    problems = counted(done.problems, "problem")
    return Outcome(
        f"{asked}: {tag_changes(done.tags_added, done.tags_removed)}, {problems}",
        problems if done.problems else "",
        status=PluginError.exit_status if done.failed else Refused.exit_status if done.problems else 0,
    )


def _added(results: list[dict[str, Any]], failing: Failing) -> Outcome:
    counts = Counter(each["status"] for each in results)
    for each in results:
        failing.note(each.get("failed_reports", {}))
    return Outcome(
        ", ".join(in_words(counts)),
        ", ".join(in_words({status: counts[status] for status in _TROUBLE})),
        tuple(
            f"{printable(each.get('source') or f'picture {number}')}: {printable(each['problem']['message'])}"
            for number, each in enumerate(results, 1)
            if "problem" in each
        ),
        status_of(counts),
    )
