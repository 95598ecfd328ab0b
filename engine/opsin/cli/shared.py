"""What commands share: the options for the library and for JSON, and opening the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from opsin.library import Library

Command = Callable[..., Any]


def library_option(command: Command) -> Command:
    """Add ``--library``."""
    return _library()(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return _json()(command)


def options_before_a_command(group: Command) -> Command:
    """Add ``--library`` and ``--json`` to a group: what is said there holds for the command that follows."""
    return _library(expose_value=False)(_json(expose_value=False)(group))


def _library(**more: Any) -> Callable[[Command], Command]:
    return click.option(
        "--library",
        "-l",
        "root",
        type=click.Path(path_type=Path, file_okay=False),
        callback=_remember,
        help="The library's folder [default: $OPSIN_HOME, else ./opsin-library].",
        **more,
    )


def _json(**more: Any) -> Callable[[Command], Command]:
    return click.option(
        "--json", "as_json", is_flag=True, callback=_remember, help="Print JSON, one object a line.", **more
    )


def _remember(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Return what was said last: after the command, else before it."""
    key = f"opsin.{option.name}"
    if value:
        context.meta[key] = value
    return context.meta.get(key, value)


def complete_label(context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the labels and tags that begin like this; none where there is no library to ask."""
    import opsin

    try:
        with opsin.open(context.meta.get("opsin.root"), readonly=True) as library:
            return list(library.labels(incomplete))
    except opsin.errors.OpsinError:
        return []


def complete_vocabulary(context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the vocabularies that begin like this."""
    import opsin

    try:
        with opsin.open(context.meta.get("opsin.root"), readonly=True) as library:
            return [each.name for each in library.vocabularies.list() if each.name.startswith(incomplete)]
    except opsin.errors.OpsinError:
        return []


def where_option(command: Command) -> Command:
    """Add ``--where``."""
    return click.option(
        "--where",
        "-w",
        multiple=True,
        metavar="CONDITION",
        help="Only assets that fit, e.g. tag=dog, tag!=toy, owner=ann, width>=800, taken>=2025-01, format=png|webp, color=red. May be repeated.",
    )(command)


def warn_of_licence(root: Path | None, encoder: str) -> None:
    """Warn where the licence of an encoder's weights forbids commercial use."""
    import opsin

    for card in opsin.encoders(root):
        if card.name == encoder and not card.commercial:
            told = f"The weights of {card.name} may not be used commercially: {card.licence}, {card.licence_url}"
            click.secho(told, fg="yellow", err=True)


def say_meanings(library: Library, tags: Iterable[str]) -> None:
    """Tell where a tag that a person wrote is taken for a label of another name."""
    from opsin.cli.output import printable
    from opsin.plugin.vocabulary import label_id

    for text in dict.fromkeys(tags):
        if (tag := library.tag_of(text)) != label_id(text):
            click.echo(f"{printable(text)} is the label {tag} here, by its name or a synonym.", err=True)


def open_library(root: Path | None, *, readonly: bool = False) -> Library:
    """Open the library that a command is about."""
    import opsin

    return opsin.open(root, readonly=readonly)
