"""Commands about what is in the library: `opsin list`, `show`, `tags`, `label`, `delete` and `undelete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opsin.cli.output import counted, emit, minute, printable, scored, size, table, tag_line
from opsin.cli.shared import Place, complete_label, json_option, place_option, reach, say_meanings, where_option
from opsin.errors import LibraryError

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Library


@click.command("list")
@place_option
@where_option
@click.option("--limit", "-n", type=click.IntRange(1), help="At most so many.")
@json_option
def list_(place: Place, where: tuple[str, ...], limit: int | None, as_json: bool) -> int:
    """List pictures with their tags, in the order in which they were added."""
    with reach(place, readonly=True) as library:
        found = library.list(where=where, limit=limit)
        if as_json:
            number = 0
            for asset in found:
                emit(asset)
                number += 1
            return 0 if number else 1
        rows = [
            (
                printable(a.name) + (" (vanished)" if a.vanished_at else ""),
                f"{a.width}x{a.height}",
                a.format,
                scored(a.tags),
                a.id[:18],
            )
            for a in found
        ]
        if not rows:
            click.echo("No picture fits." if where else _nothing_here(library), err=True)
            return 1
    table(("picture", "size", "format", "tags", "id"), rows, right=("size",), whole=("format",))
    return 0


def _nothing_here(library: Library | Client) -> str:
    """Return why a list of all pictures is empty."""
    gone = library.page(where=["vanished=yes"], limit=1).total
    if not gone:
        return "There is no picture yet: `opsin add FOLDER` adds some."
    return (
        f"There is nothing but {counted(gone, 'picture')} that vanished: `opsin list --where vanished=yes` shows them, "
        "`opsin add FOLDER` takes back those that are there again."
    )


@click.command()
@click.argument("asset")
@place_option
@click.option("--similar", type=click.IntRange(0, 100), default=3, show_default=True, help="So many similar pictures.")
@json_option
def show(asset: str, place: Place, similar: int, as_json: bool) -> None:
    """Show one picture: what is known of it, its tags, what looks like it."""
    with reach(place, readonly=True) as library:
        view = library.get(asset)
        near = library.similar(view.id, limit=similar) if similar else ()
        unknown: dict[str, dict[str, str]] = {status: {} for status in ("failed", "declined")}
        for report in library.reports(view.id):
            unknown.get(report.status, {})[report.categorizer] = report.reason
    if as_json:
        emit({"asset": view, "similar": near, **unknown})
        return
    facts = [
        ("picture", view.name),
        ("where", view.location + ("  (copied)" if view.copied else "  (vanished)" if view.vanished_at else "")),
        ("id", view.id),
        ("public id", f"{view.public_id}, version {view.version}" if view.public_id else None),
        (
            "size",
            f"{view.width}x{view.height}, {view.format}, {size(view.bytes)}"
            + (f", {view.frames} frames" if view.frames > 1 else ""),
        ),
        ("taken", view.taken_at),
        ("added", view.added_at),
        ("vanished", view.vanished_at),
        ("owner", view.owner),
        ("caption", view.caption),
        ("context", ", ".join(f"{key}={value}" for key, value in view.context.items())),
        ("tags", tag_line(view.tags) or "none"),
        *(
            (status, "; ".join(f"{name}: {reason}" for name, reason in found.items()))
            for status, found in unknown.items()
        ),
        ("similar", ", ".join(f"{hit.asset.name} {hit.similarity:.2f}" for hit in near)),
    ]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        if value:
            click.echo(f"{name:<{width}}  {printable(value)}")


@click.command()
@place_option
@click.option("--limit", "-n", type=click.IntRange(1), help="At most so many.")
@json_option
def tags(place: Place, limit: int | None, as_json: bool) -> None:
    """Show every tag in use, most frequent first."""
    with reach(place, readonly=True) as library:
        found = library.tags()[:limit]
    if as_json:
        for entry in found:
            emit(entry)
        return
    rows = [(t.label, t.name, t.count) for t in found]
    table(("tag", "name", "pictures"), rows, right=("pictures",), whole=("tag",), none="No tags.")


@click.command()
@click.argument("asset")
@place_option
@click.option(
    "--add", multiple=True, metavar="TAG", shell_complete=complete_label, help="Attach a tag; may be repeated."
)
@click.option(
    "--remove",
    multiple=True,
    metavar="TAG",
    shell_complete=complete_label,
    help="Remove a tag for good; may be repeated.",
)
@json_option
def label(asset: str, place: Place, add: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Attach and remove tags by hand; this outlives every re-analysis."""
    if not add and not remove:
        raise click.UsageError("say what to do: --add TAG, --remove TAG, or both")
    with reach(place) as library:
        view = library.tag(library.get(asset).id, add=add, remove=remove)
        say_meanings(library, (*add, *remove))
    if as_json:
        emit(view)
    else:
        click.echo(f"{printable(view.name)}: {tag_line(view.tags) or 'no tag'}")
        for absent in view.absent:
            click.echo(f"It did not carry the tag {absent}; no model will give it that tag from now on.", err=True)


@click.command()
@click.argument("assets", nargs=-1, required=True, metavar="ASSET...")
@place_option
@click.option("--now", "at_once", is_flag=True, help="Erase them at once, without a way back.")
@json_option
def delete(assets: tuple[str, ...], place: Place, at_once: bool, as_json: bool) -> int:
    """Delete pictures from the library; files that it refers to are left alone.

    They can be brought back for a week (the setting assets.undo); then they are erased.
    """
    status = 0
    with reach(place) as library:
        for asset in assets:
            deleted = library.delete(library.get(asset).id, at_once=at_once)
            status = status if deleted.problem is None else LibraryError.exit_status
            if as_json:
                emit(deleted)
            elif deleted.problem is not None:
                told = f"{printable(deleted.name)}: deleted for good, but not all of it is erased yet"
                click.secho(f"{told}: {deleted.problem.message}", fg="yellow", err=True)
            elif deleted.restorable_until is None:
                click.echo(f"{printable(deleted.name)}: erased")
            else:
                day = minute(deleted.restorable_until)
                click.echo(f"{printable(deleted.name)}: deleted; until {day} UTC: opsin undelete {deleted.id}")
    return status


@click.command()
@click.argument("assets", nargs=-1, required=True, metavar="ASSET...")
@place_option
@json_option
def undelete(assets: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Bring deleted pictures back, with all that was known of them."""
    with reach(place) as library:
        for asset in assets:
            back = library.undelete(asset)
            if as_json:
                emit(back)
            else:
                click.echo(f"{printable(back.name)}: {tag_line(back.tags) or 'no tag'}")


COMMANDS = (list_, show, tags, label, delete, undelete)
