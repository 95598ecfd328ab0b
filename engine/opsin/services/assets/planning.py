"""Which contents are to be asked about again, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from opsin.catalogue import contents, features
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import Condition, rows_matching
from opsin.services.looking.chosen import LEFT_OUT, named


class Plan(msgspec.Struct, frozen=True):
    """Which contents are to be asked about by whom, and which of them ``lack`` features that their pictures will give.

    What the extractor gave at another revision than its present one is lacking, too.
    """

    wanted: Mapping[int, frozenset[str]]
    lack: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.wanted)


def plan(
    workspace: Workspace,
    *,
    categorizers: Sequence[str] = (),
    missing: bool = False,
    stale: bool = False,
    where: Sequence[Condition] = (),
) -> Plan:
    """Return what is to be done. Neither ``missing`` nor ``stale`` means every report anew, and every feature behind.

    What was left out when a picture was added is neither missing nor stale: only what asks for everything asks for it.
    ``categorizers`` are ids, or plugin names such as ``zero_shot`` for all of ``zero_shot/...``. Only these are loaded,
    for their revisions; no extractor is, nor is anything decoded. What is deleted and can be brought back is asked about
    where features are enough, so that it comes back as it would be by then.

    :raises UnknownName: for a categorizer that there is not.
    :raises EncoderMismatch: where a categorizer loaded the encoder, and it is not the one that made the stored vectors.
    """
    host = workspace.host
    workspace.warn()
    needs = host.categorizers
    chosen = {known for name in categorizers for known in named(name, needs)} if categorizers else set(needs)
    asked = host.revisions(chosen)
    workspace.check_encoder()
    workspace.meaning.note_declines(host.declines, among=needs)
    kinds = workspace.feature_kinds
    if categorizers:
        kinds = {name: kinds[name] for each in chosen for name in needs[each] & kinds.keys()}
    rows = rows_matching(workspace, where)
    with workspace.catalogue.read() as connection:
        selected = set(workspace.rows.contents_of(connection, rows).tolist())
        wanted: dict[int, frozenset[str]] = dict.fromkeys(sorted(selected), frozenset(asked))
        if missing or stale:
            wanted = contents.behind(connection, asked, missing=missing, stale=stale)
        behind = [features.missing(connection, kinds)] if missing or not stale else []
        behind += [features.outdated(connection, kinds)] if stale or not missing else []
        left_out = contents.declined_for(connection, LEFT_OUT) if missing or stale else {}
    for number, names in (entry for each in behind for entry in each.items()):
        wanted[number] = wanted.get(number, frozenset()) | {name for name in asked if needs[name] & names}
    for number in left_out.keys() & wanted.keys():
        wanted[number] -= left_out[number]
    lack = frozenset(number for each in behind for number in each)
    due = {number: names for number, names in wanted.items() if number in selected and (names or number in lack)}
    if not where:
        featured = frozenset(name for name in asked if needs[name])
        deleted = {number: names & featured for number, names in wanted.items() if number not in selected | lack}
        due |= {number: names for number, names in deleted.items() if names}
    return Plan(due, lack & selected)
