"""Commands of the service: `opsin keys`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import emit, table
from opsin.cli.shared import json_option, library_option

if TYPE_CHECKING:
    from opsin.library import Scope


@click.group()
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
@library_option
@json_option
def create_key(name: str, scope: Scope, root: Path | None, as_json: bool) -> None:
    """Make a key for NAME, e.g. whoever uses it. It is shown once; only its hash is kept."""
    import opsin

    made = opsin.keys(root).create(name, scope)
    if as_json:
        emit(made)
    else:
        click.echo(made.key)
        click.echo(f"The key {made.id} allows {made.scope}. Keep it: it is not shown again.", err=True)


@keys.command("list")
@library_option
@json_option
def list_keys(root: Path | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    import opsin

    found = opsin.keys(root).list()
    if as_json:
        for key in found:
            emit(key)
    else:
        table(("id", "scope", "made", "name"), [(key.id, key.scope, key.created_at, key.name) for key in found])


@keys.command("revoke")
@click.argument("number", metavar="ID")
@library_option
@json_option
def revoke_key(number: str, root: Path | None, as_json: bool) -> None:
    """Take the key ID away; a running service refuses it at once."""
    import opsin

    revoked = opsin.keys(root).revoke(number)
    if as_json:
        emit(revoked)
    else:
        click.echo(f"Revoked the key {revoked.id} ({revoked.name}).")


COMMANDS = (keys,)
