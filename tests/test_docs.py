"""What can be set, called, hooked into or imported is documented, with the defaults that it really has."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

import opsin
from opsin import errors
from opsin.cli.main import cli
from opsin.host import discover
from opsin.plugin import hookspecs
from opsin.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
EVERYTHING = "\n".join(PAGES.values())
SHARED_OPTIONS = {"--library", "-l", "--server", "--key", "--json", "--help", "-h"}
OWN_PLUGINS = ("colors", "objects", "open_clip", "quality", "starter", "zero_shot")
HOOKS = [name for name in vars(hookspecs) if name.startswith("opsin_")]


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one."""
    found = re.search(rf"^#+ [^\n]*{re.escape(heading)}`?\n(.*?)(?=^#|\Z)", PAGES[page], re.DOTALL | re.MULTILINE)
    assert found, f"docs/{page} has no heading {heading!r}"
    return found[1]


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}

    def walk(command: click.Command, path: str) -> None:
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found[path] = command
        if isinstance(command, click.Group):
            for name, each in command.commands.items():
                walk(each, f"{path} {name}")

    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        walk(command, f"opsin {name}")
    return found


def tables_of_settings() -> dict[str, type[msgspec.Struct]]:
    """Return each table of opsin.toml with the Struct that describes it."""
    found = {
        field.name: field.type
        for field in msgspec.structs.fields(Settings)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
    }
    manifests = [plugin.manifest for plugin in discover() if plugin.name in OWN_PLUGINS]
    return found | {f"plugins.{each.name}": each.config for each in manifests if each is not None}


def written(value: Any) -> str:
    """Return a default as the tables write it: as TOML does."""
    if isinstance(value, float):
        return str(value)
    return json.dumps(msgspec.to_builtins(value))


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook: str) -> None:
    assert hook in PAGES["plugins.md"]


@pytest.mark.parametrize("table", tables_of_settings())
def test_every_setting_is_documented_with_its_default(table: str) -> None:
    text = section("settings.md", f"[{table}]")
    fields = msgspec.structs.fields(tables_of_settings()[table])
    for field in fields:
        factory = field.default_factory
        value = field.default if factory is msgspec.NODEFAULT else factory()
        assert f"| `{field.name}` | {written(value)} |" in text
    assert len(re.findall(r"^\| `", text, re.MULTILINE)) == len(fields), "a setting is documented that there is not"


def test_every_variable_of_the_environment_is_documented() -> None:
    source = (ROOT / "engine" / "opsin" / "settings.py").read_text("utf-8")
    for variable in re.findall(r"environ\.get\(\"(\w+)\"", source):
        assert variable in section("settings.md", "The environment"), variable


@pytest.mark.parametrize("path", commands())
def test_every_command_is_documented_with_its_options(path: str) -> None:
    text = section("cli.md", path)
    for parameter in commands()[path].params:
        if isinstance(parameter, click.Option):
            for option in set(parameter.opts) - SHARED_OPTIONS:
                assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{path} {option}"


def test_the_page_about_commands_names_no_command_and_no_option_that_there_is_not() -> None:
    known = commands()
    for path in re.findall(r"^### (opsin .*)$", PAGES["cli.md"], re.MULTILINE):
        assert path in known, path
        options = {option for parameter in known[path].params for option in parameter.opts} | {"--help"}
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"`opsin [^`]*`", "", section("cli.md", path))))
        assert named <= options, path


@pytest.mark.parametrize("name", opsin.__all__)
def test_every_public_name_has_a_docstring_and_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(opsin, name)), f"opsin.{name} has no docstring"
    assert re.search(rf"\b{name}\b", PAGES["python.md"])


@pytest.mark.parametrize("name", [name for name in dir(opsin.Library) if not name.startswith("_")])
def test_every_method_of_the_library_has_a_docstring_and_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(opsin.Library, name)), f"Library.{name} has no docstring"
    assert f"`{name}`" in section("python.md", "The library")


def test_every_error_is_documented_with_its_exit_status() -> None:
    text = section("cli.md", "Exit statuses")
    for error in vars(errors).values():
        if inspect.isclass(error) and issubclass(error, errors.OpsinError):
            row = next((line for line in text.splitlines() if f"`{error.code}`" in line), None)
            assert row is not None, error.code
            assert row.rstrip("| ").endswith(f"| {error.exit_status}"), error.code


def anchors(text: str) -> set[str]:
    """Return what links may name behind ``#`` in a page: its headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        found = (ROOT / page).parent / target if target else ROOT / page
        assert found.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(found.read_text("utf-8")), f"{page}: {target}#{anchor}"
