"""Commands that find: `opsin search` and `opsin duplicates`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import emit, printable, scored, table
from opsin.cli.shared import Place, complete_label, json_option, place_option, reach, where_option
from opsin.errors import UsageError

if TYPE_CHECKING:
    from opsin.library import Page


def _one_text(context: click.Context, _argument: click.Parameter, words: tuple[str, ...]) -> str | None:
    """Return the text that is searched for.

    :raises UsageError: for several: words without quotes, or a pattern that the shell made several pictures of.
    """
    if len(words) < 2:
        return words[0] if words else None
    msg = (
        f'{len(words)} texts are too many: put words in quotes, as in {context.command_path} "{" ".join(words)}", '
        "and --like before each picture"
    )
    raise UsageError(msg)


text_argument = click.argument("text", metavar="[TEXT]", nargs=-1, callback=_one_text)
"""The words that a command searches for: one text, in quotes where it has several words."""


@click.command()
@text_argument
@place_option
@click.option(
    "--like",
    multiple=True,
    metavar="PICTURE[:WEIGHT]",
    help="Like this picture: a file, URL or asset; may be repeated.",
)
@click.option("--not", "without", multiple=True, metavar="WORDS", help="Unlike these words; may be repeated.")
@click.option(
    "--tag", "tags", multiple=True, shell_complete=complete_label, help="Only with this tag; may be repeated."
)
@click.option("--owner", help="Only of this owner.")
@where_option
@click.option("--hybrid", is_flag=True, help="Search names, captions and tags beside what pictures show.")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--cursor", metavar="TEXT", help="Continue a former search.")
@click.option("--all", "everything", is_flag=True, help="Show also what is held for no match.")
@json_option
def search(
    text: str | None,
    place: Place,
    like: tuple[str, ...],
    without: tuple[str, ...],
    tags: tuple[str, ...],
    owner: str | None,
    where: tuple[str, ...],
    hybrid: bool,
    as_json: bool,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> int:
    """Find pictures by words, by example, or both.

    \b
    opsin search "a dog on a beach"
    opsin search "dog" --like beach.jpg:0.5 --not cartoon
    """
    conditions = [*where, *(f"tag={tag}" for tag in tags), *([f"owner={owner}"] if owner else [])]
    with reach(place, readonly=True) as library:
        examples = [weighted(entry) for entry in like]
        page = library.search(
            text,
            like=examples,
            without=without,
            where=conditions,
            limit=limit,
            cursor=cursor,
            everything=everything,
            hybrid=hybrid,
        )
    if as_json:
        for hit in page.hits:
            emit(hit)
        if page.cursor:
            click.echo(f'{{"cursor":"{page.cursor}"}}')
    else:
        show_page(page, conditions)
    return 0 if page.hits else 1


def show_page(page: Page, where: Sequence[str]) -> None:
    """Show hits, or how near the nearest was of those that meet the conditions ``where``."""
    if not page.hits and page.nearest is None:
        why = "no picture meets the conditions" if where else "there is no picture here, as `opsin list` says"
        click.echo(f"Nothing matches: {why}.", err=True)
        return
    if not page.hits:
        click.echo(f"Nothing matches (the nearest scores {page.nearest:.2f}, a match 0.50; --all shows it).", err=True)
        if page.cutoff == "rare things":
            click.echo("That is a general rule, which was not measured for this encoder (docs/search.md).", err=True)
        return
    rows = [
        (f"{hit.score:.2f}", printable(hit.asset.name), scored(hit.asset.tags), hit.asset.id[:18]) for hit in page.hits
    ]
    table(("score", "picture", "tags", "id"), rows, right=("score",))
    if page.cursor:
        click.echo(f"More: --cursor {page.cursor}")


_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)


def weighted(entry: str) -> tuple[str, float]:
    """Split ``PICTURE:WEIGHT``. A picture whose name ends like that is meant where such a file exists.

    What follows the host of an address is its port, and data URIs and paths of addresses may hold colons of their own.

    :raises UsageError: where what should be a weight is no number.
    """
    name, colon, weight = entry.rpartition(":")
    if not colon or not name or _is_file(entry):
        return entry, 1.0
    address = _ADDRESS.fullmatch(name)
    if address is not None and not re.search(r"[/?#:]", address["rest"]):
        return entry, 1.0
    try:
        return name, float(weight)
    except ValueError:
        if _ADDRESS.fullmatch(entry) or entry.startswith("data:"):
            return entry, 1.0
    msg = (
        f"{weight!r} is no weight, and there is no file {entry!r}: write PICTURE:WEIGHT with a number, as in {name}:0.5, "
        "or give the id of an asset whose name has a colon"
    )
    raise UsageError(msg)


def _is_file(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL: a data URI, say
        return False


@click.command()
@place_option
@click.option(
    "--threshold",
    default=0.95,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The least cosine of two pictures.",
)
@json_option
def duplicates(place: Place, threshold: float, as_json: bool) -> int:
    """Show groups of pictures that look nearly the same."""
    found = 0
    with reach(place, readonly=True) as library:
        for group in library.duplicates(threshold=threshold):
            found += 1
            if as_json:
                emit(group)
                continue
            click.echo(f"{len(group.assets)} alike ({group.similarity:.3f}):")
            for asset in group.assets:
                click.echo(f"  {printable(asset.location)}  {asset.width}x{asset.height}  {asset.id[:18]}")
    if not found and not as_json:
        click.echo("No two pictures look that much alike.", err=True)
    return 0 if found else 1


COMMANDS = (search, duplicates)
