"""The `opsin` command and its exit statuses."""

from __future__ import annotations

import sys

import click

from opsin.cli import (
    adding,
    catalogue,
    doctor,
    finding,
    indexing,
    keeping,
    knowing,
    making,
    moving,
    plugins,
    vocabularies,
    watching,
)
from opsin.version import VERSION

_EPILOG = """\b
Exit status: 0 done, 1 something was not done (e.g. `search` found nothing, `index verify` found damage),
2 wrong usage or unknown name, 3 a picture was refused, 4 the library cannot do this, 5 a plugin failed, 130 interrupted.

\b
The library is --library, else OPSIN_HOME, else ./opsin-library.
"""


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="opsin")
def cli() -> None:
    """Opsin tags pictures and finds them again by what they show."""


for module in (
    making,
    adding,
    watching,
    finding,
    catalogue,
    vocabularies,
    moving,
    keeping,
    doctor,
    knowing,
    plugins,
    indexing,
):
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Run `opsin` and end the process with its exit status."""
    from opsin.errors import OpsinError

    try:
        status = cli.main(prog_name="opsin", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; what was done before is kept.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone (`opsin list | head`): nothing is left to say, not even at exit.
        sys.stdout = None
        sys.exit(0)
    except OpsinError as error:
        click.secho(f"{error.title}: {error}", fg="red", err=True)
        sys.exit(error.exit_status)
    sys.exit(status if isinstance(status, int) else 0)
