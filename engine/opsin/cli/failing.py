"""Tells, when a command ends, which categorizers failed meanwhile and on how many pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import click
import msgspec

from opsin.cli.output import counted, printable
from opsin.errors import PluginError

STORED = "`opsin plugins` says how it is, `opsin reanalyse --missing` asks it again"
UNSTORED = "`opsin plugins` says how it is"


class Failing:
    """Counts pictures by the categorizer that failed on them; ``remedy`` says what can be done."""

    def __init__(self, remedy: str = STORED) -> None:
        self._remedy = remedy
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    def note(self, failed_reports: Mapping[str, str]) -> None:
        """Take which categorizers failed on one picture, with their reasons."""
        for name, reason in failed_reports.items():
            self._counts[name] += 1
            self._reasons.setdefault(name, reason)

    def count(self, failed_reports: Mapping[str, int]) -> None:
        """Take on how many pictures each categorizer failed, where the reasons are not told."""
        self._counts.update(failed_reports)

    def tell(self, *, as_json: bool) -> None:
        """Say it on standard error, one line a categorizer: a sentence, or the object that an error is there."""
        for name, count in sorted(self._counts.items()):
            said = f"{name} failed on {counted(count, 'picture')}, which lack its report"
            reason = f": {self._reasons[name]}" if name in self._reasons else ""
            message = f"{said}{reason}; {self._remedy}"
            if as_json:
                told = {"code": PluginError.code, "title": PluginError.title, "message": message}
                click.echo(msgspec.json.encode(told).decode(), err=True)
            else:
                click.secho(printable(message), fg="yellow", err=True)
