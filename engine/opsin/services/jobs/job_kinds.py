"""What jobs can be: each kind with what does it, and the line in which it waits for its turn.

A kind is a function of the workspace, what was given as JSON, and the turn that it tells how far it is. It returns what
came of it, to be written as JSON. A job may be begun again after its process was killed in the middle: it has to find what
it did already and go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import msgspec

from opsin.services.assets import deleting, planning, reanalyse
from opsin.services.base.turns import Turn
from opsin.services.base.workspace import Workspace
from opsin.services.finding import filters
from opsin.services.jobs import exports, staging, sweeping
from opsin.services.labels import relabel

Line = Literal["soon", "long"]
"""``soon``: what somebody waits for, such as pictures that were sent; ``long``: what goes through a library."""


class Kind(NamedTuple):
    """A kind of job. The jobs of a line are done one after the other; one that is ``kept`` waits for what is out of order."""

    work: Callable[[Workspace, bytes, Turn], object]
    line: Line = "long"
    kept: bool = False


class Reanalyse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be asked again; neither ``missing`` nor ``stale`` means everything."""

    categorizers: tuple[str, ...] = ()
    missing: bool = False
    stale: bool = False
    where: tuple[str, ...] = ()


def _reanalyse(workspace: Workspace, given: bytes, turn: Turn) -> reanalyse.Reanalysis:
    told = msgspec.json.decode(given, type=Reanalyse)
    plan = planning.plan(
        workspace,
        categorizers=told.categorizers,
        missing=told.missing,
        stale=told.stale,
        where=filters.read(workspace, told.where),
    )
    turn.expect(len(plan))
    return reanalyse.reanalyse(workspace, plan, lambda _: turn.step())


class Rescore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vocabulary that the tags of the library are to be brought up to."""

    vocabulary: str


def _rescore(workspace: Workspace, given: bytes, turn: Turn) -> reanalyse.Reanalysis:
    """Score again what lacks the vocabulary as it is by now: what was scored before a kill is passed over."""
    plan = relabel.plan_rescore(workspace, msgspec.json.decode(given, type=Rescore).vocabulary)
    turn.expect(len(plan))
    return reanalyse.reanalyse(workspace, plan, lambda _: turn.step())


def _erase(workspace: Workspace, given: bytes, turn: Turn) -> dict[str, int]:  # noqa: ARG001 - as all kinds
    count = deleting.erase_due(workspace)
    turn.expect(count)
    turn.step(count)
    return {"erased": count}


def _sweep(workspace: Workspace, given: bytes, turn: Turn) -> sweeping.Swept:  # noqa: ARG001 - as all kinds
    return sweeping.sweep(workspace, turn)


def _snapshot(workspace: Workspace, given: bytes, turn: Turn) -> dict[str, int]:  # noqa: ARG001 - as all kinds
    return {"up_to": workspace.indexed.snapshot()}


KINDS: Mapping[str, Kind] = {
    # Whoever sent these pictures was told that they are safe, and may have them no more.
    staging.KIND: Kind(staging.add_staged, "soon", kept=True),
    "reanalyse": Kind(_reanalyse),
    "rescore": Kind(_rescore),
    exports.KIND: Kind(exports.write),
    "erase": Kind(_erase, "soon"),
    "snapshot": Kind(_snapshot, "soon"),
    "sweep": Kind(_sweep),
}
