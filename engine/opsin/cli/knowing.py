"""Commands about what Opsin can do here: `opsin encoders` and `opsin plugins`."""

from __future__ import annotations

from pathlib import Path

import click

from opsin.cli.output import emit, size, table
from opsin.cli.shared import json_option, library_option


@click.command()
@library_option
@json_option
def encoders(root: Path | None, as_json: bool) -> None:
    """List the encoders: size, speed, licence of the weights, languages, installed or not."""
    from opsin.host import encoder_cards
    from opsin.settings import default_library, load_settings

    cards = encoder_cards(load_settings((root or default_library()) / "opsin.toml"))
    if as_json:
        for card in cards:
            emit(card)
        return
    rows = [
        (
            card.name + ("  (default)" if card.default else ""),
            "yes" if card.installed else "no",
            size(card.size),
            f"{card.speed:.0f}/s" if card.speed else "-",
            card.licence + ("" if card.commercial else "  (no commercial use)"),
            ", ".join(card.languages),
            card.summary,
        )
        for card in cards
    ]
    table(("encoder", "here", "size", "speed", "licence", "languages", "summary"), rows, right=("size", "speed"))


COMMANDS = (encoders,)
