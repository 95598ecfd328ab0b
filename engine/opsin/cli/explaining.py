"""The command that shows the reckoning behind a tag: `opsin explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from opsin.cli.output import emit, printable
from opsin.cli.shared import Place, complete_label, json_option, place_option, reach

if TYPE_CHECKING:
    from opsin.library import Evidence, Explanation


@click.command()
@click.argument("asset")
@click.argument("tag", shell_complete=complete_label)
@place_option
@json_option
def explain(asset: str, tag: str, place: Place, as_json: bool) -> None:
    """Show why a picture carries a tag, or does not: every number behind it."""
    with reach(place, readonly=True) as library:
        found = library.explain(library.get(asset).id, tag)
    if as_json:
        emit(found)
        return
    for line in _lines(found):
        click.echo(printable(line))


def _lines(found: Explanation) -> Iterator[str]:
    carried = "tagged" if found.tagged else "not tagged"
    scored = "no score" if found.score is None else f"score {found.score:.4f}"
    yield f"{found.label}: {carried}, {scored}; a tag needs more than {found.threshold:g}"
    if found.person:
        yield f"  a person {found.person} it, and that decides"
    if found.implied_by:
        named = ", ".join(f"{each.label} {each.score:.4f}" for each in found.implied_by)
        yield f"  implied by {named}; each can be explained in turn"
    if found.implied_by and found.own_score is not None and not found.person:
        yield f"  the higher one counts: {found.own_score:.4f} of its own, {found.implied_score:.4f} by what implies it"
    for categorizer, reason in found.declined.items():
        yield f"  {categorizer} did not judge it: {reason}"
    if not found.evidence and not found.declined:
        yield "  no categorizer said anything about it"
    if found.evidence:
        yield ""
        yield from _sum(found.evidence)
    for entry in found.evidence:
        yield ""
        yield from _judgement(entry)
    yield ""
    yield f"encoder {found.encoder}, revision {found.encoder_revision}"


def _judgement(entry: Evidence) -> Iterator[str]:
    """Show who contributed it, and what its score was computed from."""
    frame = f", frame {entry.frame}" if entry.frame else ""
    yield f"{entry.categorizer}, revision {entry.revision}{frame}"
    vocabulary = f", vocabulary {entry.vocabulary.replace(' ', ', revision ')}" if entry.vocabulary else ""
    yield f"  plugin {entry.plugin}{vocabulary}" if entry.plugin else "  not in use any more"
    if entry.silent:
        yield "  knows the label and did not name it"
    for key, value in entry.details.items():
        shown = "its own threshold, where it scores 0.5" if key == "threshold" else key.replace("_", " ")
        yield f"  {shown}: {_plain(value)}"


def _sum(evidence: tuple[Evidence, ...]) -> Iterator[str]:
    """Show the steps from the categorizers' scores to the fused one, so that they can be done again by hand."""
    width = max(11, *(len(entry.categorizer) for entry in evidence))
    yield f"{'categorizer':<{width}}   score  ln(s/(1-s))  x weight"
    for entry in evidence:
        product = entry.weight * entry.log_odds
        yield f"{entry.categorizer:<{width}}  {entry.score:.4f}  {entry.log_odds:>11.4f}  x {entry.weight:.4f} = {product:>8.4f}"
    total = sum(entry.weight * entry.log_odds for entry in evidence)
    yield f"{'sum':<{width}}  {'':<6}  {'':<11}    {'':<6} = {total:>8.4f}"
    yield f"own score = 1 / (1 + exp(-sum)) = {_logistic(total):.4f}"
    if any(not 0.001 <= entry.score <= 0.999 for entry in evidence):
        yield "(s counts as 0.001 at least and as 0.999 at most)"


def _logistic(value: float) -> float:
    import math

    return 1 / (1 + math.exp(-value))


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return "; ".join(_plain(entry) for entry in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_plain(entry)}" for key, entry in value.items())
    return str(value)


COMMANDS = (explain,)
