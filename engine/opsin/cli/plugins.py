"""Commands about plugins: `opsin plugins [list|show|doctor|forget]` and `opsin plugin new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsin.cli.output import counted, emit, printable, table
from opsin.cli.shared import (
    Place,
    client_of,
    json_option,
    library_option,
    open_library,
    options_before_a_command,
    place_option,
)
from opsin.errors import AccessRefused, UnknownName, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsin.library import PluginView


@click.group(invoke_without_command=True)
@place_option
@json_option
@click.pass_context
def plugins(context: click.Context, place: Place, as_json: bool) -> None:
    """List the plugins; `show` and `doctor` look closer."""
    if context.invoked_subcommand is None:
        _list(place, as_json=as_json)


@plugins.command("list")
@place_option
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List the plugins: what each offers, and whether it can be used."""
    _list(place, as_json=as_json)


def _found(place: Place) -> Sequence[PluginView]:
    """Return the plugins as they are where they are at work: in the service that is named, or that has the library open."""
    import opsin

    service = place.service or opsin.library.at_work(place.root)
    if service is None:
        return opsin.plugins(place.root)
    try:
        with client_of(service) as client:
            return client.plugins()
    except (AccessRefused, Unreachable) as error:
        if place.service is not None:
            raise
        told = f"The service at {service.url} does not say how they are at work there ({error}); this is how they are declared."
        click.echo(told, err=True)
        return opsin.plugins(place.root)


def _named(place: Place, name: str) -> PluginView:
    found = _found(place)
    for each in found:
        if each.name == name:
            return each
    msg = f"there is no plugin {name!r}; there are {', '.join(each.name for each in found)}"
    raise UnknownName(msg)


def _list(place: Place, *, as_json: bool) -> None:
    found = _found(place)
    if as_json:
        for plugin in found:
            emit(plugin)
        return
    rows = [
        (
            plugin.name,
            plugin.state,
            f"{plugin.distribution} {plugin.version}".strip(),
            plugin.reason or _failing(plugin) or plugin.summary,
        )
        for plugin in found
    ]
    table(("plugin", "state", "from", "summary"), rows, whole=("plugin", "state"))


@plugins.command()
@click.argument("name")
@place_option
@json_option
def show(name: str, place: Place, as_json: bool) -> None:
    """Show one plugin: where it comes from, what it offers, its settings in force."""
    plugin = _named(place, name)
    if as_json:
        emit(plugin)
        return
    facts = [
        ("plugin", plugin.name),
        ("summary", plugin.summary),
        ("state", plugin.state + (f": {plugin.reason}" if plugin.reason else "")),
        ("failed", _failing(plugin)),
        ("to do", plugin.advice),
        ("from", f"{plugin.distribution} {plugin.version}".strip()),
        ("module", plugin.module),
        ("runs", "in a child process" if plugin.isolated else "inside Opsin's process"),
        ("needs", ", ".join(plugin.requires)),
        ("encoders", ", ".join(plugin.encoders)),
        ("vocabularies", ", ".join(plugin.vocabularies)),
        *((f"[plugins.{plugin.name}]", f"{key} = {value!r}") for key, value in plugin.settings.items()),
    ]
    _facts(facts)


def _failing(plugin: PluginView) -> str:
    if not plugin.failed_reports:
        return ""
    return f"it failed on {counted(plugin.failed_reports, 'picture')}: `opsin reanalyse --missing` asks it again"


@plugins.command()
@library_option
@json_option
def doctor(root: Path | None, as_json: bool) -> int:
    """Load every object of every plugin, show it a made picture, and say what works, on what, and what to do where one does not."""
    import opsin

    found = opsin.examine_plugins(root)
    for plugin in found:
        if as_json:
            emit(plugin)
        else:
            _examined(plugin)
    ill = [plugin.name for plugin in found if not plugin.sound]
    if not as_json:
        click.echo(f"Something is wrong with {', '.join(ill)}." if ill else "All plugins work.")
    return 1 if ill else 0


@plugins.command()
@click.argument("name")
@library_option
@json_option
def forget(name: str, root: Path | None, as_json: bool) -> None:
    """Drop what a plugin left that is switched off or gone: what it said, the tags that rest on it alone, its features.

    People's tags stay, and features that another plugin needs. NAME is that of the plugin, or of one of its categorizers; `opsin doctor` names those that are out of use.
    """
    with open_library(root) as library:
        gone = library.forget(name)
    if as_json:
        emit(gone)
    else:
        told = []
        if gone.categorizers:
            told.append(f"{counted(gone.reports, 'report')} of {', '.join(gone.categorizers)}, and their tags")
        if gone.features:
            told.append(f"{', '.join(gone.features)} of {counted(gone.contents, 'picture')}")
        click.echo(f"Dropped {'; '.join(told)}.")


def _examined(plugin: PluginView) -> None:
    colour = {"ready": "green", "off": None, "loading": None}.get(plugin.state) if plugin.sound else "red"
    click.secho(f"{plugin.name}: {plugin.state}", fg=colour, nl=False)
    click.echo(f", {printable(plugin.reason)}" if plugin.reason else "")
    for item in plugin.objects:
        runtime = f" on {item.runtime}" if item.runtime else ""
        declined = f", {len(item.declines)} labels that it cannot see" if item.declines else ""
        where = " in a child process" if item.isolated else ""
        click.echo(f"  {item.kind} {item.name}: {item.state}{runtime}{where}{declined}  ({item.revision})")
        if item.last_error:
            click.echo(f"    {printable(item.last_error)}")
    if plugin.state == "ready" and not plugin.objects:
        offers = ", ".join(plugin.encoders + plugin.vocabularies)
        click.echo(f"  nothing in use in this library{f'; it offers {offers}' if offers else ''}")
    if plugin.advice:
        click.echo(f"  to do: {printable(plugin.advice)}")


@click.group()
@options_before_a_command
def plugin() -> None:
    """Write a plugin."""


@plugin.command()
@click.argument("name")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where to write it [default: ./opsin-NAME]."
)
@json_option
def new(name: str, folder: Path | None, as_json: bool) -> None:
    """Write a complete plugin project: a categorizer with its test, ready to install and to publish.

    NAME is lower_snake_case, e.g. warm_light.
    """
    import opsin

    made = opsin.new_plugin(name, folder)
    target, files = made.folder, made.files
    if as_json:
        emit({"plugin": name, "folder": str(target), "files": [str(path.relative_to(target)) for path in files]})
        return
    for path in files:
        click.echo(str(path))
    click.echo(f"\nNext:\n  pip install -e '{target}[dev]'\n  pytest {target}\n  opsin plugins show {name}")


def _facts(facts: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        if value:
            click.echo(f"{name:<{width}}  {printable(value)}")


COMMANDS = (plugins, plugin)
