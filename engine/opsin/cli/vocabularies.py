"""The commands about vocabularies: those that show and check them, `opsin vocabulary list|show|check`, are here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import counted, emit, printable, table
from opsin.cli.relabelling import add, edit, remove
from opsin.cli.shared import (
    Place,
    complete_label,
    complete_vocabulary,
    json_option,
    library_option,
    open_library,
    options_before_a_command,
    place_option,
    reach,
)

if TYPE_CHECKING:
    from opsin.model import Label


@click.group()
@options_before_a_command
def vocabulary() -> None:
    """Show and change the labels that this library tags with."""


@vocabulary.command("list")
@place_option
@click.option("--shipped", is_flag=True, help="Show also what plugins ship and this library does not use.")
@json_option
def list_(place: Place, shipped: bool, as_json: bool) -> None:
    """List the vocabularies of the library."""
    with reach(place, readonly=True) as library:
        found = [each for each in library.vocabularies.summaries() if each.used or shipped]
    if as_json:
        for each in found:
            emit(each)
        return
    rows = [
        (each.name + ("" if each.used else "  (not in use)"), each.labels, each.revision, each.summary)
        for each in found
    ]
    table(("vocabulary", "labels", "revision", "summary"), rows, right=("labels",), whole=("vocabulary", "revision"))


@vocabulary.command()
@click.argument("name", shell_complete=complete_vocabulary)
@click.argument("label", required=False, shell_complete=complete_label)
@place_option
@json_option
def show(name: str, label: str | None, place: Place, as_json: bool) -> None:
    """Show a vocabulary, or everything about one of its labels."""
    from opsin.errors import UnknownName
    from opsin.plugin.vocabulary import label_id

    with reach(place, readonly=True) as library:
        found = library.vocabularies.get(name)
    if label is None:
        if as_json:
            emit(found)
            return
        click.echo(f"{found.name}, revision {found.revision}, {len(found.labels)} labels. {found.summary}".rstrip())
        rows = [(each.id, each.text, ", ".join(each.parents), ", ".join(each.synonyms)) for each in found.labels]
        table(("label", "name", "parents", "synonyms"), rows, whole=("label",))
        return
    entry = found.by_id.get(label_id(label))
    if entry is None:
        msg = f"the vocabulary {name!r} has no label {label!r}"
        raise UnknownName(msg)
    _show_label(entry, as_json=as_json)


def _show_label(label: Label, *, as_json: bool) -> None:
    if as_json:
        emit(label)
        return
    facts = [
        ("label", label.id),
        ("name", label.text),
        ("prompts", "; ".join(label.prompts) or f"the usual sentences around {label.text!r}"),
        ("negatives", "; ".join(label.negatives)),
        ("synonyms", ", ".join(label.synonyms)),
        ("parents", ", ".join(label.parents)),
        ("threshold", ", ".join(f"{space} {value:g}" for space, value in label.threshold.items())),
        ("unseen", ", ".join(label.unseen)),
        ("names", ", ".join(f"{code} {text}" for code, text in label.names.items())),
        ("group", label.group),
    ]
    for field, value in facts:
        if value:
            click.echo(f"{field:<9}  {printable(value)}")


@vocabulary.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@library_option
@json_option
def check(files: tuple[Path, ...], root: Path | None, as_json: bool) -> int:
    """Check vocabulary files (TOML), or those of the library where none is named."""
    import opsin

    if files:
        problems = [problem for path in files for problem in opsin.check_vocabulary(path)]
        warnings = opsin.disputed_words(*files)
    else:
        with open_library(root, readonly=True) as library:
            problems, warnings = list(library.vocabularies.check()), library.vocabularies.disputed_words()
    if as_json:
        emit({"sound": not problems, "problems": problems, "warnings": warnings})
        return 1 if problems else 0
    for line in (*problems, *(f"warning: {warning}" for warning in warnings)):
        click.echo(printable(line))
    click.echo(f"{counted(len(problems), 'problem')}." if problems else "All is well.")
    return 1 if problems else 0


for _command in (add, edit, remove):
    vocabulary.add_command(_command)
COMMANDS = (vocabulary,)
