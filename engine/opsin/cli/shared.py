"""What commands share: the options for the library and for JSON, and opening the library."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from opsin.errors import LibraryBusy, UsageError

if TYPE_CHECKING:
    from opsin.client import Client
    from opsin.library import Library, Served, Told

Command = Callable[..., Any]


class Place(NamedTuple):
    """What a command is about: a library of this machine, or a service that is asked instead."""

    root: Path | None
    service: Served | None


def library_option(command: Command) -> Command:
    """Add ``--library`` to a command that works where the library is: it refuses ``--server``."""
    return _library(callback=_here_only)(_server(hidden=True, expose_value=False)(command))


def place_option(command: Command) -> Command:
    """Add ``--library``, ``--server`` and ``--key``: the command is given the ``place`` that they name."""

    @functools.wraps(command)
    def placed(*arguments: Any, root: Path | None, server: str | None, key: str | None, **options: Any) -> Any:
        return command(*arguments, place=_place(root, server, key), **options)

    return _library()(_server()(_key()(placed)))


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return _json()(command)


def options_before_a_command(group: Command) -> Command:
    """Add ``--library``, ``--json`` and so on to a group: what is said there holds for the command that follows."""
    hidden: dict[str, Any] = {"expose_value": False}
    for option in (_json(**hidden), _key(**hidden), _server(**hidden), _library(**hidden)):
        group = option(group)
    return group


def _remember(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Return what was said last: after the command, else before it."""
    key = f"opsin.{option.name}"
    if value:
        context.meta[key] = value
    return context.meta.get(key, value)


def _library(callback: Callable[..., Any] = _remember, **more: Any) -> Callable[[Command], Command]:
    def one(context: click.Context, option: click.Parameter, values: tuple[Path, ...]) -> Any:
        if len(values) > 1:
            msg = f"--library names one library, and here are {len(values)}: `opsin serve` takes several as arguments"
            raise click.UsageError(msg)
        return callback(context, option, values[0] if values else None)

    return click.option(
        "--library",
        "-l",
        "root",
        type=click.Path(path_type=Path, file_okay=False),
        multiple=True,  # else all but the last would be passed over without a word
        callback=one,
        help="The library's folder [default: $OPSIN_HOME, else ./opsin-library].",
        **more,
    )


def _server(**more: Any) -> Callable[[Command], Command]:
    return click.option(
        "--server",
        metavar="URL",
        callback=_remember,
        help="Ask the service there instead of a library of this machine [default: $OPSIN_SERVER].",
        **more,
    )


def _key(**more: Any) -> Callable[[Command], Command]:
    return click.option(
        "--key", metavar="KEY", callback=_remember, help="The service's key [default: $OPSIN_KEY].", **more
    )


def _json(**more: Any) -> Callable[[Command], Command]:
    return click.option(
        "--json", "as_json", is_flag=True, callback=_remember, help="Print JSON, one object a line.", **more
    )


def _here_only(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Return the library's folder.

    :raises UsageError: where a service is named instead, which this command cannot ask.
    """
    from opsin.library import service_named

    root = _remember(context, option, value)
    named = context.meta.get("opsin.server") or (service_named() if root is None else None)
    if named is not None:
        msg = (
            f"`{context.command_path}` asks no service: run it where the library is, without --server; "
            "where OPSIN_SERVER is set, name the library with --library"
        )
        raise UsageError(msg)
    return root


def _place(root: Path | None, server: str | None, key: str | None) -> Place:
    from opsin.library import service_named

    if root is not None and server is not None:
        msg = "--library and --server exclude each other: the one is a folder of this machine, the other a service"
        raise UsageError(msg)
    return Place(root, None if root is not None else service_named(server, key))


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


def only_these_option(command: Command) -> Command:
    """Add ``--categorizer``."""
    return click.option(
        "--categorizer", "categorizers", multiple=True, metavar="NAME", help="Ask only this one; may be repeated."
    )(command)


def warn_of_licence(root: Path | None, encoder: str) -> None:
    """Warn where the licence of an encoder's weights forbids commercial use."""
    import opsin

    for card in opsin.encoders(root):
        if card.name == encoder and not card.commercial:
            told = f"The weights of {card.name} may not be used commercially: {card.licence}, {card.licence_url}"
            click.secho(told, fg="yellow", err=True)


def say_meanings(library: Library | Client, tags: Iterable[str]) -> None:
    """Tell where a tag that a person wrote is taken for a label of another name."""
    import opsin
    from opsin.cli.output import printable
    from opsin.plugin.vocabulary import label_id

    if not isinstance(library, opsin.Library):  # a service knows what a word means, and does not tell it
        return
    for text in dict.fromkeys(tags):
        if (tag := library.tag_of(text)) != label_id(text):
            click.echo(f"{printable(text)} is the label {tag} here, by its name or a synonym.", err=True)


def reach(place: Place, *, readonly: bool = False, as_copies: bool = True) -> Library | Client:
    """Open the library that a command is about, or a client of the service that is asked instead.

    A library that is served is written by its service, which then is asked. ``as_copies`` says whether what is to be
    done is the same there: a service is sent copies and refers to no files.
    """
    import opsin

    if place.service is not None:
        return client_of(place.service)
    try:
        return opsin.open(place.root, readonly=readonly)
    except LibraryBusy:
        served = opsin.library.served(place.root)
        if served is None:
            raise
        if not as_copies:
            msg = f"the library is served at {served.url}, where copies are taken in: say --copy, or stop the service first"
            raise LibraryBusy(msg) from None
        return client_of(served)


def look(place: Place, *pictures: str, encoder: str | None, **options: Any) -> Iterator[Told]:
    """Yield what is said of pictures without storing anything, by the place's plugins.

    :raises UsageError: for an ``encoder`` where a service is asked, which has its own.
    """
    import opsin

    if place.service is None:
        yield from opsin.analyse(*pictures, path=place.root, encoder=encoder, **options)
        return
    if encoder is not None:
        msg = "a service has the encoder of its library: leave out --encoder"
        raise UsageError(msg)
    with client_of(place.service) as client:
        yield from client.analyse(*pictures, **options)


def client_of(service: Served) -> Client:
    """Return a client of a service."""
    from opsin.client import Client

    return Client(service.url, service.key)


def open_library(root: Path | None, *, readonly: bool = False) -> Library:
    """Open the library that a command is about."""
    import opsin

    return opsin.open(root, readonly=readonly)
