"""The `opsin` command and its exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

import click

from opsin.cli.shared import options_before_a_command
from opsin.version import VERSION

if TYPE_CHECKING:
    import logging

    from opsin.errors import OpsinError

COMMANDS = {
    "init": ("making", "Make a new library."),
    "add": ("adding", "Add pictures: files, folders, URLs, buckets, lists."),
    "watch": ("watching", "Add what appears or changes in folders, until Ctrl-C."),
    "tag": ("adding", "Show the tags of pictures without storing anything."),
    "search": ("finding", "Find pictures by words, by example, or both."),
    "duplicates": ("finding", "Show groups of pictures that look nearly the same."),
    "list": ("catalogue", "List pictures with their tags."),
    "show": ("catalogue", "Show one picture, its tags, and what looks like it."),
    "tags": ("catalogue", "Show every tag in use, most frequent first."),
    "label": ("catalogue", "Attach and remove tags by hand, for good."),
    "delete": ("catalogue", "Delete pictures from the library; files stay."),
    "undelete": ("catalogue", "Bring deleted pictures back."),
    "explain": ("explaining", "Show why a picture carries a tag, or does not."),
    "reanalyse": ("reanalysing", "Ask the categorizers again."),
    "vocabulary": ("vocabularies", "Show and change the labels that this library tags with."),
    "export": ("moving", "Write what is known as JSON lines, Parquet or XMP."),
    "import": ("moving", "Bring back owners, captions and people's tags."),
    "backup": ("keeping", "Copy the library, also while it is in use."),
    "restore": ("keeping", "Make a library from a backup."),
    "doctor": ("doctor", "Look everything over, and say what to do."),
    "index": ("indexing", "Look after the vector index."),
    "encoders": ("knowing", "List, fetch and measure encoders."),
    "plugins": ("plugins", "List plugins, and see whether they work."),
    "plugin": ("plugins", "Write a plugin."),
    "serve": ("serving", "Serve the library over HTTP."),
    "webhooks": ("webhooks", "Tell other programs of what happens."),
    "searches": ("searches", "Keep searches that new pictures are compared with."),
    "jobs": ("jobs", "List, cancel and await work that goes on."),
    "keys": ("serving", "Make, list and revoke the keys of the service."),
    "completion": ("making", "Print the completion script of a shell."),
}
"""Each command: its module, which is imported when it is used, and its line in `opsin --help`."""

_LASTING = frozenset({"serve", "watch"})
"""Commands that go on when a plugin is out of use, until it is tried again."""

_EPILOG = """\b
Exit status: 0 done, 1 something was not done (e.g. `search` found nothing, `index verify` found damage),
2 wrong usage or unknown name, 3 a picture was refused, 4 the library cannot do this, 5 a plugin failed, 130 interrupted.

\b
The library is --library (before or after the command), else OPSIN_HOME, else ./opsin-library; for many commands
also one that is served: --server with --key, else OPSIN_SERVER with OPSIN_KEY.
"""


class _Commands(click.Group):
    """The commands of ``COMMANDS``, each imported only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"opsin.cli.{COMMANDS[cmd_name][0]}")
        commands: tuple[click.Command, ...] = module.COMMANDS
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@options_before_a_command
@click.version_option(VERSION, prog_name="opsin")
@click.pass_context
def cli(context: click.Context) -> None:
    """Opsin tags pictures and finds them again by what they show."""
    if context.invoked_subcommand not in _LASTING:
        context.with_resource(_told_once())


@contextmanager
def _told_once() -> Iterator[None]:
    """Keep from the console what is logged of plugins that are out of use: the command ends by saying it."""
    import logging

    def is_news(record: logging.LogRecord) -> bool:
        return getattr(record, "opsin", {}).get("event") != "out-of-use"

    console = logging.lastResort
    if console is None:
        yield
        return
    console.addFilter(is_news)
    try:
        yield
    finally:
        console.removeFilter(is_news)


def run() -> int:
    """Run `opsin` and return its exit status."""
    from opsin.errors import OpsinError, UsageError

    try:
        with _results():
            status = cli.main(prog_name="opsin", standalone_mode=False)
    except click.ClickException as error:
        if not _json_is_wanted() or isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
        else:
            _tell(error.format_message(), UsageError)
        return error.exit_code
    except click.Abort as error:  # click's word for Ctrl-C at a question
        raise KeyboardInterrupt from error
    except BrokenPipeError:
        # Whoever read our output has gone (`opsin list | head`): nothing is left to say, not even at exit.
        sys.stdout = None
        return 0
    except OpsinError as error:
        _tell(str(error), type(error))
        return error.exit_status
    return status if isinstance(status, int) else 0


def _results() -> AbstractContextManager[None]:
    if not _json_is_wanted():
        return nullcontext()
    from opsin.cli.output import nothing_but_json

    return nothing_but_json()


def _json_is_wanted() -> bool:
    words = sys.argv[1:]
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _tell(message: str, kind: type[OpsinError]) -> None:
    """Say on standard error what went wrong: one sentence, or one JSON object."""
    if _json_is_wanted():
        import json

        click.echo(json.dumps({"code": kind.code, "title": kind.title, "message": message}), err=True)
    else:
        click.secho(f"Error: {message}", fg="red", err=True)
