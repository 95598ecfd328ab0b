"""Commands `opsin searches ...`: queries that are kept, and that each new picture is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opsin.cli.finding import show_page, text_argument, weighted
from opsin.cli.output import emit, printable, table
from opsin.cli.shared import Place, json_option, options_before_a_command, place_option, reach, where_option

if TYPE_CHECKING:
    from opsin.library import SavedSearch


@click.group()
@options_before_a_command
def searches() -> None:
    """Keep searches: webhooks are told of each new picture that matches one (search.matched)."""


@searches.command("create")
@text_argument
@click.option("--like", multiple=True, metavar="PICTURE[:WEIGHT]", help="Like this picture; may be repeated.")
@click.option("--not", "without", multiple=True, metavar="WORDS", help="Unlike these words; may be repeated.")
@where_option
@click.option("--cutoff", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="The score that matches.")
@click.option("--name", default="", help="What to call it.")
@place_option
@json_option
def create_search(
    text: str | None,
    like: tuple[str, ...],
    without: tuple[str, ...],
    where: tuple[str, ...],
    cutoff: float,
    name: str,
    place: Place,
    as_json: bool,
) -> None:
    """Keep a search, written as for `opsin search`."""
    with reach(place) as library:
        examples = [weighted(entry) for entry in like]
        made = library.searches.create(text, like=examples, without=without, where=where, cutoff=cutoff, name=name)
    if as_json:
        emit(made)
    else:
        click.echo(made.id)


@searches.command("list")
@place_option
@json_option
def list_searches(place: Place, as_json: bool) -> None:
    """List the saved searches."""
    with reach(place, readonly=True) as library:
        found = [*library.searches.list()]
    if as_json:
        for each in found:
            emit(each)
    else:
        rows = [
            (each.id, printable(each.name), _looks_for(each), printable(" ".join(each.where)), f"{each.cutoff:.2f}")
            for each in found
        ]
        columns = ("id", "name", "looks for", "where", "cut-off")
        table(columns, rows, right=("cut-off",), none="No saved searches.")


@searches.command("run")
@click.argument("number", metavar="ID")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--cursor", metavar="TEXT", help="Continue where a former page ended.")
@place_option
@json_option
def run_search(number: str, limit: int, cursor: str | None, place: Place, as_json: bool) -> int:
    """Find what is there by now that matches the saved search ID."""
    with reach(place, readonly=True) as library:
        page = library.searches.run(number, limit=limit, cursor=cursor)
        where = () if page.hits else library.searches.get(number).where
    if as_json:
        for hit in page.hits:
            emit(hit)
        if page.cursor:
            click.echo(f'{{"cursor":"{page.cursor}"}}')
    else:
        show_page(page, where)
    return 0 if page.hits else 1


@searches.command("delete")
@click.argument("number", metavar="ID")
@place_option
@json_option
def delete_search(number: str, place: Place, as_json: bool) -> None:
    """Forget the saved search ID."""
    with reach(place) as library:
        gone = library.searches.get(number)
        library.searches.delete(number)
    if as_json:
        emit(gone)
    else:
        click.echo(f"Deleted the saved search {gone.id} ({printable(gone.name)}).")


def _looks_for(search: SavedSearch) -> str:
    """Return the parts of a search as one line."""
    told = [
        f"{part.text or part.url or f'asset {part.asset}' if part.picture is None else 'a picture'}"
        + ("" if part.weight == 1 else f" ({part.weight:g})")
        for part in search.parts
    ]
    return printable(", ".join(told))


COMMANDS = (searches,)
