"""Commands of the service: `opsin serve` and `opsin keys`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import emit, minute, table
from opsin.cli.shared import (
    Place,
    client_of,
    json_option,
    library_option,
    options_before_a_command,
    place_option,
)

if TYPE_CHECKING:
    from opsin.client.synchronous import Keys as ServedKeys
    from opsin.library import Keys, Library, Scope
    from opsin.web.logs import LogForm


@click.command()
@click.argument("folders", metavar="[LIBRARY]...", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8484, show_default=True, help="The port; 0 for any that is free."
)
@click.option(
    "--log",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How each request and event is told on standard error, one a line.",
)
@click.option("--tls-cert", type=click.Path(path_type=Path), help="A PEM file with the certificate: speak HTTPS.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="A PEM file with the certificate's private key.")
@click.option("--init", "make", is_flag=True, help="Make the library first where there is none, as `opsin init` does.")
@library_option
@json_option
def serve(
    folders: tuple[Path, ...],
    host: str,
    port: int,
    form: LogForm,
    tls_cert: Path | None,
    tls_key: Path | None,
    make: bool,
    root: Path | None,
    as_json: bool,
) -> None:
    """Serve the library over HTTP, or each LIBRARY named, until Ctrl-C or SIGTERM.

    While it runs, they cannot be written by others. Requests need a key: `opsin keys`; of several libraries, it says which is asked.
    """
    import opsin
    from opsin.web.logs import logs_to
    from opsin.web.server import serve as serve_libraries
    from opsin.web.tls import Certificate

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together: give both, or neither to speak plain HTTP")

    roots = _roots(folders, root)

    def listening(url: str) -> None:
        for library in libraries:
            library.announce(url)
        if as_json:
            served = [
                {"library": str(library.path), "key": key and str(key)}
                for library, key in zip(libraries, keys, strict=True)
            ]
            emit({"event": "listening", "url": url, "docs": f"{url}/v1/docs", "libraries": served})
            return
        for library, key in zip(libraries, keys, strict=True):
            secret = f"an admin key: {key}" if key else "its keys: `opsin keys list`"
            click.echo(f"Serving {library.path} at {url} ({secret}).")
        click.echo(f"What it can: {url}/v1/docs. Ctrl-C ends it.")

    def stopping() -> None:
        if as_json:
            emit({"event": "stopping"})
        else:
            click.echo("Stopping: requests under way are answered first.")

    with logs_to(sys.stderr, form), ExitStack() as stack:
        libraries = _open_all(roots, stack, make=make)
        keys = [opsin.keys(library.path).make_admin() for library in libraries]
        # Uvicorn raises again what stopped it; the library is closed first.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            serve_libraries(
                libraries,
                host=host,
                port=port,
                listening=listening,
                stopping=stopping,
                certificate=Certificate(tls_cert, tls_key) if tls_cert and tls_key else None,
            )
    if as_json:
        emit({"event": "stopped"})
    else:
        click.echo("Stopped; everything is written.")


def _roots(folders: tuple[Path, ...], root: Path | None) -> list[Path | None]:
    if not folders:
        return [root]
    if root is not None:
        raise click.UsageError("name the libraries as arguments or one with --library, not both")
    seen: dict[Path, Path] = {}
    for each in folders:
        if (first := seen.setdefault(each.resolve(), each)) is not each:
            msg = f"{first} and {each} are one library: name it once"
            raise click.UsageError(msg)
    return [*folders]


def _open_all(roots: list[Path | None], stack: ExitStack, *, make: bool) -> list[Library]:
    """Open the libraries, which share what they have of networks; all are closed again where one cannot be used."""
    libraries: list[Library] = []
    for root in roots:
        beside = libraries[0] if libraries else None
        libraries.append(stack.enter_context(_opened(root, beside, make=make)))
        libraries[-1].check()
    return libraries


def _opened(root: Path | None, beside: Library | None, *, make: bool) -> Library:
    import opsin

    try:
        return opsin.open(root, beside=beside)
    except opsin.errors.LibraryMissing:
        if not make:
            raise
        opsin.init(root).close()
        return opsin.open(root, beside=beside)


@click.group()
@options_before_a_command
def keys() -> None:
    """Make, list and revoke the keys of the service."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "write", "admin"]),
    default="read",
    show_default=True,
    help="What the key allows; each allows what stands before it, too.",
)
@place_option
@json_option
def create_key(name: str, scope: Scope, place: Place, as_json: bool) -> None:
    """Make a key for NAME, e.g. whoever uses it. It is shown once; only its hash is kept."""
    with _keys(place) as known:
        made = known.create(name, scope)
    if as_json:
        emit(made)
    else:
        click.echo(made.key)
        click.echo(f"The key {made.id} allows {made.scope}. Keep it: it is not shown again.", err=True)


@keys.command("list")
@place_option
@json_option
def list_keys(place: Place, as_json: bool) -> None:
    """List the keys, without their secrets."""
    with _keys(place) as known:
        found = known.list()
    if as_json:
        for key in found:
            emit(key)
    else:
        rows = [
            (key.id, key.scope, minute(key.created_at), minute(key.last_used_at or "never"), key.name) for key in found
        ]
        whole = ("scope", "made (UTC)", "last used (UTC)")
        table(("id", *whole, "name"), rows, whole=whole, none="No keys.")


@keys.command("revoke")
@click.argument("number", metavar="ID")
@place_option
@json_option
def revoke_key(number: str, place: Place, as_json: bool) -> None:
    """Take the key ID away; a running service refuses it at once."""
    with _keys(place) as known:
        revoked = known.revoke(number)
    if as_json:
        emit(revoked)
    else:
        click.echo(f"Revoked the key {revoked.id} ({revoked.name}).")


@contextmanager
def _keys(place: Place) -> Iterator[Keys | ServedKeys]:
    """Lend the keys of the library, of which no owner need be asked, or of the service that is named."""
    import opsin

    if place.service is None:
        yield opsin.keys(place.root)
        return
    with client_of(place.service) as client:
        yield client.keys


COMMANDS = (keys, serve)
