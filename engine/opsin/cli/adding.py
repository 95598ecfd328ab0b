"""Commands that look at pictures: `opsin add`, `opsin tag` and `opsin reanalyse`."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsin.cli.output import counted, emit, printable, progress, tag_changes, tag_line
from opsin.cli.shared import json_option, library_option, open_library, say_meanings, where_option

if TYPE_CHECKING:
    from opsin.library import Library
    from opsin.services.commit import Added

_SHOWN = 20
_WORDS = {
    "added": "added",
    "known": "already known by their bytes",
    "unchanged": "unchanged",
    "moved": "moved",
    "changed": "changed",
    "refused": "refused",
    "failed": "failed",
}


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@library_option
@click.option("--owner", help="Whose pictures these are.")
@click.option("--tag", "tags", multiple=True, help="A tag to attach to each; may be repeated.")
@click.option("--caption", help="A caption for each.")
@click.option("--context", multiple=True, metavar="KEY=VALUE", help="Further facts; may be repeated.")
@click.option("--copy", is_flag=True, help="Copy files into the library instead of referring to them.")
@click.option(
    "--auto-tag", type=click.FloatRange(0, 1), metavar="T", help="Tag with every label that scores more than T."
)
@click.option("--quiet", "-q", is_flag=True, help="Print only problems and the summary.")
@json_option
def add(
    pictures: tuple[str, ...], root: Path | None, context: tuple[str, ...], as_json: bool, quiet: bool, **options: Any
) -> int:
    """Add pictures: files, folders, globs, URLs (http, s3, ...), data URIs, or - for a list on standard input.

    Running it again continues where it stopped, and takes in only what is new or changed.
    """
    facts = dict(_pair(text) for text in context)
    with open_library(root) as library:
        say_meanings(library, options["tags"])
        skipped: Counter[str] = Counter()
        outcomes = library.add_each(*pictures, context=facts, listed=sys.stdin, skipped=skipped, **options)
        show = _Json() if as_json else _Lines(quiet=quiet)
        counts = _follow(library, pictures, outcomes, show)
    show.end(counts, skipped)
    if not counts:
        click.echo("No picture was found there.", err=True)
        return 1
    if counts["failed"]:
        return 5
    return 3 if counts["refused"] else 0


def _follow(library: Library, pictures: Sequence[str], outcomes: Iterator[Added], show: _Json | _Lines) -> Counter[str]:
    """Show every outcome as it comes, with a progress bar, and count them."""
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with progress(show=isinstance(show, _Lines)) as bar:
        task = bar.add_task("Loading models (the first time takes longer)", total=None, rate="")
        if not bar.disable and "-" not in pictures:
            count = threading.Thread(
                target=lambda: bar.update(task, total=library.count_sources(*pictures)), daemon=True
            )
            count.start()
        for added in outcomes:
            bar.update(task, description="Adding")
            counts[added.status] += 1
            done = counts.total()
            bar.update(task, completed=done, rate=f"{done / (time.monotonic() - begun):.0f}/s")
            show.one(added)
    return counts


class _Json:
    def one(self, added: Added) -> None:
        emit(added)

    def end(self, counts: Counter[str], skipped: Counter[str]) -> None:
        pass


class _Lines:
    """Prints the first pictures with their tags, every problem, and a summary."""

    def __init__(self, *, quiet: bool) -> None:
        self._left = 0 if quiet else _SHOWN
        self._begun = time.monotonic()

    def one(self, added: Added) -> None:
        if added.problem is not None:
            click.secho(f"{printable(added.source)}: {added.problem.message}", fg="yellow", err=True)
        elif added.asset is not None and self._left > 0:
            self._left -= 1
            click.echo(f"{printable(added.source)}: {tag_line(added.asset.tags) or 'no tag'}")

    def end(self, counts: Counter[str], skipped: Counter[str]) -> None:
        if counts:
            seconds = time.monotonic() - self._begun
            parts = ", ".join(f"{counts[status]} {words}" for status, words in _WORDS.items() if counts[status])
            rate = f" ({counts.total() / seconds:.0f}/s)" if counts.total() > _SHOWN else ""
            noun = "picture" if counts.total() == 1 else "pictures"
            click.echo(f"{counts.total()} {noun} in {seconds:.1f} s{rate}: {parts}.")
        if skipped:
            click.echo(f"Left out: {', '.join(f'{count} {reason}' for reason, count in skipped.most_common())}.")


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@library_option
@click.option("--encoder", metavar="NAME", help="Which encoder to use where there is no library.")
@click.option("--auto-tag", type=click.FloatRange(0, 1), metavar="T", help="Show every label that scores more than T.")
@json_option
def tag(
    pictures: tuple[str, ...], root: Path | None, encoder: str | None, auto_tag: float | None, as_json: bool
) -> int:
    """Show the tags of pictures without storing anything."""
    from opsin.services.once import tag_once

    status = 0
    for told in tag_once(root, pictures, encoder=encoder, auto_tag=auto_tag):
        if as_json:
            emit(told)
        elif told.problem is not None:
            click.secho(f"{printable(told.source)}: {told.problem.message}", fg="yellow", err=True)
        else:
            click.echo(f"{printable(told.source)}: {tag_line(told.tags) or 'no tag'}")
        status = 3 if told.problem is not None else status
    return status


@click.command()
@library_option
@click.option(
    "--categorizer", "categorizers", multiple=True, metavar="NAME", help="Ask only this one; may be repeated."
)
@click.option("--missing", is_flag=True, help="Only where a report is missing or failed, or a feature is missing.")
@click.option("--stale", is_flag=True, help="Only where a report is of an older revision.")
@where_option
@json_option
def reanalyse(root: Path | None, as_json: bool, **options: Any) -> int:
    """Ask the categorizers again. Pictures are opened only where stored features do not suffice.

    What a plugin that was installed later extracts is then stored, so that no picture has to be opened for it again.
    """
    with open_library(root) as library, progress(show=not as_json) as bar:
        plan = library.plan_reanalysis(**options)
        task = bar.add_task("Reanalysing", total=len(plan), rate="")
        came = went = problems = opened = done = 0
        for done, entry in enumerate(library.reanalyse(plan), 1):
            bar.update(task, completed=done)
            came += len(entry.tags_added)
            went += len(entry.tags_removed)
            opened += entry.opened
            problems += entry.problem is not None
            if as_json:
                emit(entry)
            elif entry.problem is not None:
                click.secho(f"{printable(entry.location)}: {entry.problem.message}", fg="yellow", err=True)
    if not as_json:
        asked = f"{counted(done, 'picture')} asked about again ({opened or 'none'} opened)"
        click.echo(f"{asked}: {tag_changes(came, went)}, {counted(problems, 'problem')}.")
    return 3 if problems else 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        msg = f"{text!r} is not KEY=VALUE"
        raise click.BadParameter(msg, param_hint="--context")
    return key, value


COMMANDS = (add, tag, reanalyse)
