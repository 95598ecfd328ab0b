"""Asks categorizers again, and keeps what became of each content."""

from __future__ import annotations

import opsin
from opsin.library import Plan, Reanalysed


def reanalysed(library: opsin.Library, plan: Plan) -> list[Reanalysed]:
    """Carry out a plan and return what the progress told."""
    told: list[Reanalysed] = []
    done = library.reanalyse(plan, progress=told.append)
    assert done.contents == len(told) == len(plan)
    return told
