"""Commands about encoders: `opsin encoders [list|install|measure]`."""

from __future__ import annotations

from pathlib import Path

import click

from opsin.cli.output import emit, size, table
from opsin.cli.shared import Place, client_of, json_option, library_option, place_option, warn_of_licence


@click.group(invoke_without_command=True)
@place_option
@json_option
@click.pass_context
def encoders(context: click.Context, place: Place, as_json: bool) -> None:
    """List the encoders: size, speed here, licence of the weights, languages, installed or not."""
    if context.invoked_subcommand is None:
        _list(place, as_json=as_json)


@encoders.command("list")
@place_option
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List the encoders."""
    _list(place, as_json=as_json)


def _list(place: Place, *, as_json: bool) -> None:
    import opsin

    if place.service is None:
        cards = opsin.encoders(place.root)
    else:
        with client_of(place.service) as client:
            cards = client.encoders()
    if as_json:
        for card in cards:
            emit(card)
        return
    rows = [
        (
            card.name,
            "yes" if card.installed else "no",
            size(card.size),
            f"{card.speed:.0f}/s" if card.speed is not None else "-",
            card.licence + ("" if card.commercial else "  NO COMMERCIAL USE"),
            ", ".join("many" if code == "mul" else code for code in card.languages),
            ("The default. " if card.default else "") + card.summary,
        )
        for card in cards
    ]
    table(
        ("encoder", "here", "size", "speed here", "licence", "languages", "summary"),
        rows,
        right=("size", "speed here"),
        whole=("encoder", "here", "size", "speed here"),
    )
    if unmeasured := [card.name for card in cards if card.installed and card.speed is None]:
        click.echo(f"`opsin encoders measure {unmeasured[0]}` measures how fast that is here.")


@encoders.command()
@click.argument("name")
@library_option
@json_option
def install(name: str, root: Path | None, as_json: bool) -> None:
    """Fetch the weights of an encoder to this machine."""
    import opsin

    warn_of_licence(root, name)
    fetched = opsin.install_encoder(name, root)
    if as_json:
        emit({"encoder": name, "fetched": fetched})
    else:
        click.echo(
            f"Fetched {name}; `opsin init --encoder {name}` makes a library with it."
            if fetched
            else f"The weights of {name} are on this machine already."
        )


@encoders.command()
@click.argument("name", required=False)
@library_option
@json_option
def measure(name: str | None, root: Path | None, as_json: bool) -> None:
    """Measure how many pictures a second an encoder takes here; without NAME, each whose weights are here."""
    import opsin

    names = [name] if name else [card.name for card in opsin.encoders(root) if card.installed]
    for each in names:
        if not as_json:
            click.echo(f"Loading {each} ...", err=True)
        found = opsin.measure_encoder(each, root)
        if as_json:
            emit(found)
        else:
            runtime = f" on {found.runtime}" if found.runtime else ""
            click.echo(f"{each}: {found.images_per_second:.1f} pictures a second{runtime} ({found.images} measured)")


COMMANDS = (encoders,)
