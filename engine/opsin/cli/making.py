"""Commands that begin: `opsin init` and `opsin completion`."""

from __future__ import annotations

from pathlib import Path

import click

from opsin.cli.output import emit, size
from opsin.cli.shared import json_option, library_option, warn_of_licence


@click.command()
@library_option
@click.option("--encoder", metavar="NAME", help="Which encoder to use; `opsin encoders` lists them.")
@click.option(
    "--vocabulary",
    "vocabularies",
    multiple=True,
    default=("everyday",),
    show_default=True,
    metavar="NAME",
    help="Vocabularies to begin with; may be repeated.",
)
@json_option
def init(root: Path | None, encoder: str | None, vocabularies: tuple[str, ...], as_json: bool) -> None:
    """Make a new library."""
    import opsin

    with opsin.init(root, encoder=encoder, vocabularies=vocabularies) as library:
        target, chosen = library.path, library.encoder
    better = None if encoder else opsin.better_encoder(chosen, target)
    if as_json:
        emit({"library": str(target.absolute()), "encoder": chosen, "better": better.name if better else None})
        return
    click.echo(f"Made a library at {target} with the encoder {chosen}. The key of its service: {target / 'admin.key'}")
    warn_of_licence(target, chosen)
    if better is not None:
        click.echo(
            f"A better encoder ({size(better.size)}): `{better.install}`, then a library of its own: "
            f"`opsin init --encoder {better.name} --library FOLDER`."
        )


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: opsin completion bash > ~/.local/share/bash-completion/completions/opsin
    zsh:  opsin completion zsh > ~/.zfunc/_opsin
    fish: opsin completion fish > ~/.config/fish/completions/opsin.fish
    """
    from click.shell_completion import get_completion_class

    from opsin.cli.main import cli

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError("there is no completion for this shell")
    click.echo(made(cli, {}, "opsin", "_OPSIN_COMPLETE").source())


COMMANDS = (init, completion)
