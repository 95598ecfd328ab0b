"""Commands that look at pictures: `opsin add` and `opsin tag`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from opsin.cli.failing import UNSTORED, Failing
from opsin.cli.listed import listed
from opsin.cli.outcomes import in_words, status_of
from opsin.cli.output import Few, counted, emit, printable, progress, say, tag_line
from opsin.cli.shared import Place, json_option, look, only_these_option, place_option, reach, say_meanings
from opsin.errors import LibraryError

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Added, LeftOut, Library

_SHOWN = 20
_NAMED = 3
_NOTHING = "No picture was found there."


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@place_option
@click.option("--owner", help="Whose pictures these are.")
@click.option("--tag", "tags", multiple=True, help="A tag to attach to each; may be repeated.")
@click.option("--caption", help="A caption for each.")
@click.option("--context", multiple=True, metavar="KEY=VALUE", help="Further facts; may be repeated.")
@click.option("--copy", is_flag=True, help="Copy files into the library instead of referring to them.")
@click.option("--checksum", is_flag=True, help="Read also files that look unchanged by their size and time.")
@click.option(
    "--auto-tag", type=click.FloatRange(0, 1), metavar="T", help="Tag with every label that scores more than T."
)
@only_these_option
@click.option(
    "--mark-vanished", is_flag=True, help="Mark pictures as vanished even where their whole folder is empty or missing."
)
@click.option("--quiet", "-q", is_flag=True, help="Print only problems and the summary.")
@click.option("--verbose", "-v", is_flag=True, help="Print a line for every picture, and for every file left out.")
@json_option
def add(
    pictures: tuple[str, ...],
    place: Place,
    context: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Add pictures: files, folders, globs, URLs (http, s3, ...), data URIs, or - for a list on standard input.

    Running it again continues where it stopped, takes in only what is new or changed, and marks what is gone.
    """
    options["context"] = _pairs(context)
    show = JsonLines() if as_json else Lines(quiet=quiet, verbose=verbose)
    counts: Counter[str] = Counter()
    with reach(place, as_copies=options["copy"]) as library:
        say_meanings(library, options["tags"])
        try:
            follow(library, pictures, show, options, counts)
        except LibraryError:
            show.broken_off(counts)
            raise
    show.end(counts)
    show.failing.tell(as_json=as_json)
    if not counts:
        if not as_json:
            click.echo(_NOTHING, err=True)
        return 1
    return status_of(counts)


def follow(
    library: Library | Client,
    pictures: Sequence[str],
    show: JsonLines | Lines,
    options: dict[str, Any],
    counts: Counter[str],
) -> None:
    """Show every outcome as it comes, with a progress bar, and count them."""
    with progress(show=isinstance(show, Lines)) as bar:
        task = bar.add_task("Loading models (the first time takes longer)", total=None, rate="")
        if not bar.disable and "-" not in pictures:
            count = threading.Thread(
                target=lambda: bar.update(task, total=library.count_sources(*pictures)), daemon=True
            )
            count.start()
        library.load()
        begun = show.begun = time.monotonic()
        bar.update(task, description="Adding")
        views = isinstance(show, JsonLines)
        for added in library.add_each(*pictures, views=views, listed=listed(), left_out=show.left_out, **options):
            counts[added.status] += 1
            show.failing.note(added.failed_reports)
            done = counts.total()
            bar.update(task, completed=done, rate=f"{done / (time.monotonic() - begun):.0f}/s")
            show.one(added)


class JsonLines:
    begun = 0.0

    def __init__(self) -> None:
        self.failing = Failing()

    def one(self, added: Added) -> None:
        emit(added)

    def left_out(self, found: LeftOut) -> None:
        emit({"source": found.location, "status": "left_out", "reason": found.reason})

    def end(self, counts: Counter[str]) -> None:
        pass

    def broken_off(self, counts: Counter[str]) -> None:
        pass


class Lines:
    """Prints the first pictures with their tags, every problem, and a summary."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self.begun = 0.0
        self._verbose = verbose
        self._quiet = quiet and not verbose
        self._few = Few(_SHOWN, "... and more; -v names all, and problems are always told.", every=verbose)
        self._skipped = _Skipped()
        self.failing = Failing()

    def one(self, added: Added) -> None:
        if added.problem is not None:
            click.secho(f"{printable(added.location or added.source)}: {added.problem.message}", fg="yellow", err=True)
        elif not self._quiet and (added.asset is not None or added.status != "unchanged" or self._verbose):
            said = added.status if added.asset is None else tag_line(added.asset.tags) or "no tag"
            self._few.line(f"{printable(added.source)}: {said}")

    def left_out(self, found: LeftOut) -> None:
        self._skipped.add(found)
        if self._verbose:
            click.echo(f"{printable(found.location)}: left out, {found.reason}", err=True)

    def end(self, counts: Counter[str]) -> None:
        if counts:
            seconds = time.monotonic() - self.begun
            done = counts.total() - counts["vanished"] - counts["unreachable"]
            parts = in_words(counts)
            if counts["unreachable"]:
                parts.append(f"{counted(counts['unreachable'], 'folder')} out of reach")
            rate = f" ({done / seconds:.0f}/s)" if done > _SHOWN else ""
            say(f"{counted(done, 'picture')} in {seconds:.1f} s{rate}: {', '.join(parts)}.")
        if self._skipped.counts:
            more = "; -v names all" if self._skipped.more and not self._verbose else ""
            click.echo(f"Left out: {self._skipped}{more}.")

    def broken_off(self, counts: Counter[str]) -> None:
        """Say what an error that ends everything leaves."""
        self.end(counts)
        if counts:
            click.echo("What was added is kept; the same command goes on where this one stopped.", err=True)


class _Skipped:
    """Counts what was left out by its reason, and keeps the first names."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}

    def add(self, found: LeftOut) -> None:
        self.counts[found.reason] += 1
        names = self._names.setdefault(found.reason, [])
        if len(names) < _NAMED:
            names.append(printable(found.location.rpartition("/")[2]))

    @property
    def more(self) -> bool:
        """Whether there are more than are named."""
        return any(count > _NAMED for count in self.counts.values())

    def __str__(self) -> str:
        return ", ".join(
            f"{count} {reason} ({', '.join(self._names[reason])}{', ...' if count > _NAMED else ''})"
            for reason, count in self.counts.most_common()
        )


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@place_option
@click.option("--encoder", metavar="NAME", help="Which encoder to use where there is no library.")
@click.option("--auto-tag", type=click.FloatRange(0, 1), metavar="T", help="Show every label that scores more than T.")
@only_these_option
@json_option
def tag(pictures: tuple[str, ...], place: Place, as_json: bool, **options: Any) -> int:
    """Show the tags of pictures without storing anything: files, folders, globs, URLs, or - for a list."""
    counts: Counter[str] = Counter()
    skipped = _Skipped()
    failing = Failing(UNSTORED)
    outcomes = look(
        place,
        *pictures,
        listed=listed(),
        left_out=JsonLines().left_out if as_json else skipped.add,
        **options,
    )
    for told in outcomes:
        counts[told.status] += 1
        failing.note(told.failed_reports)
        if as_json:
            emit(told)
        elif told.problem is not None:
            click.secho(f"{printable(told.location or told.source)}: {told.problem.message}", fg="yellow", err=True)
        else:
            click.echo(f"{printable(told.source)}: {tag_line(told.tags) or 'no tag'}")
    failing.tell(as_json=as_json)
    if not counts and not as_json:
        click.echo(_NOTHING + (f" Left out: {skipped}." if skipped.counts else ""), err=True)
    return status_of(counts) if counts else 1


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or key in found:
            msg = f"{text!r} says again what {key} is" if key in found else f"{text!r} is not KEY=VALUE"
            raise click.BadParameter(msg, param_hint="--context")
        found[key] = value
    return found


COMMANDS = (add, tag)
