"""The search: which parts are scanned exactly, which through their sketches, and how the answers are merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opsin_index.checks import Bitmap, Listed
from opsin_index.hits import MISSING, Hits
from opsin_index.segment import Halves, Ids, Mask, Part, Slots, scan_rows
from opsin_index.sketch import Rotation, Sketch
from opsin_index.threads import Workers
from opsin_index.view import View

#: A selection of at most this many rows is gathered and scanned exactly.
SMALL_SELECTION: Final = 4_096
#: Beyond this k nearly every row is a candidate, and sketches only cost.
MAX_SKETCH_K: Final = 512
#: A part with a smaller share of usable rows is scanned exactly: that reads less than the sketches would.
MIN_SHARE: Final = 0.2
#: Rows that a sketch names per part, and that are read and scored exactly first.
REACH: Final = 200
#: How many standard errors of the sketch a row must stay below the k-th hit to be left unread.
MARGIN: Final = 2.5
#: Queries that are answered together; bounds the memory of the merge.
BLOCK: Final = 64

Scores = NDArray[np.float32]


class _Target(NamedTuple):
    part: Part
    usable: Mask | None  # None: every row of the part
    size: int


@dataclass(frozen=True, slots=True)
class Means:
    """What a search works with: the rotation of the sketches, and threads."""

    rotation: Rotation
    workers: Workers


class _Named(NamedTuple):
    """The rows of one part that its sketch names for one query, best estimate first."""

    target: _Target
    estimates: Scores
    slots: Slots

    def usable(self) -> Mask:
        """Which of them may be found."""
        usable, real = self.target.usable, self.slots >= 0
        return real if usable is None else usable[self.slots] & real

    def beyond(self) -> float:
        """Return the estimate that no row surpasses which was not named."""
        if len(self.slots) == self.target.part.count:
            return -np.inf
        # FAISS fills up with -1 where estimates are not numbers: then no row may be left out.
        return float(self.estimates[-1]) if self.slots[-1] >= 0 else np.inf


def search(
    view: View, queries: Scores, k: int, allowed: Listed | Bitmap | None, means: Means, *, exact: bool = False
) -> Hits:
    """Find the k best of ``allowed`` for each query; see `Index.search`."""
    ids = np.full((len(queries), k), MISSING, dtype=np.uint32)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    targets = _targets(view, allowed)
    total = sum(target.size for target in targets)
    if total == 0:
        return Hits(ids, scores)
    wanted = min(k, total)
    gathered = _gather(targets) if allowed is not None and total <= SMALL_SELECTION else None
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        if gathered is not None:
            rows, names = gathered
            found, positions = scan_rows(rows, block, wanted)
            answers = [_best(found[i], names[positions[i]], wanted) for i in range(len(block))]
        else:
            answers = _search_parts(targets, block, wanted, means, exact=exact)
        for i, (best_scores, best_ids) in enumerate(answers, start):
            ids[i, : len(best_ids)] = best_ids
            scores[i, : len(best_ids)] = best_scores
    return Hits(ids, scores)


def _targets(view: View, allowed: Listed | Bitmap | None) -> list[_Target]:
    targets = []
    for part in view.parts:
        usable = part.usable(allowed)
        count = part.count if usable is None else int(np.count_nonzero(usable))
        if count:
            targets.append(_Target(part, None if count == part.count else usable, count))
    return targets


def _gather(targets: list[_Target]) -> tuple[Halves, Ids]:
    rows, ids = [], []
    for part, usable, _ in targets:
        slots = slice(part.count) if usable is None else np.flatnonzero(usable)
        rows.append(part.segment.rows[slots])
        ids.append(part.segment.ids[slots])
    return np.concatenate(rows), np.concatenate(ids)


def _search_parts(
    targets: list[_Target], queries: Scores, k: int, means: Means, *, exact: bool
) -> list[tuple[Scores, Ids]]:
    direct: list[_Target] = []
    through: list[tuple[_Target, Sketch]] = []
    for target in targets:
        sketch, share = target.part.sketch, target.size / target.part.count
        if exact or sketch is None or k > MAX_SKETCH_K or share < MIN_SHARE:
            direct.append(target)
        else:
            through.append((target, sketch))
    found = means.workers.map(lambda target: _scan(target, queries, k), direct)
    turned = means.rotation.apply(queries) if through else queries
    named = means.workers.map(lambda pair: _named(*pair, turned, max(REACH, 4 * k)), through)
    answers = []
    for i in range(len(queries)):
        scores = [each[i] for each, _ in found]
        ids = [target.part.ids[slots[i]] for target, (_, slots) in zip(direct, found, strict=True)]
        if through:
            names = [_Named(target, e[i], s[i]) for (target, _), (e, s) in zip(through, named, strict=True)]
            more_scores, more_ids = _refine(names, queries[i : i + 1], k, scores, means.workers)
            scores += more_scores
            ids += more_ids
        answers.append(_best(np.concatenate(scores), np.concatenate(ids), k))
    return answers


def _scan(target: _Target, queries: Scores, k: int) -> tuple[Scores, Slots]:
    part = target.part
    return part.segment.scan(queries, min(k, target.size), part.count, target.usable)


def _named(target: _Target, sketch: Sketch, turned: Scores, reach: int) -> tuple[Scores, Slots]:
    part, _, size = target
    return sketch.nearest(turned, min(part.count, reach * part.count // size))


def _refine(
    named: list[_Named], query: Scores, k: int, known: list[Scores], workers: Workers
) -> tuple[list[Scores], list[Ids]]:
    """Return exact scores and ids of the rows that the sketches name for one query, as many of them as may belong to the k best.

    The first rows that are read show how far the estimates of this query are off. Rows whose estimate stays `MARGIN`
    such errors below the k-th best score are left out; a part that may hold more such rows than its sketch named
    is scanned exactly. So data that one bit a dimension cannot tell apart costs time, not recall.
    """
    targets = [each.target for each in named]
    usable = [each.usable() for each in named]
    estimate = np.concatenate([each.estimates[chosen] for each, chosen in zip(named, usable, strict=True)])
    slot = np.concatenate([each.slots[chosen] for each, chosen in zip(named, usable, strict=True)])
    owner = np.repeat(np.arange(len(named)), [np.count_nonzero(chosen) for chosen in usable])
    order = np.argsort(-estimate, kind="stable")
    first = order[: max(REACH, 4 * k)]
    scores, ids = _score(targets, owner[first], slot[first], query)
    reached = np.sort(np.concatenate([*known, scores]))[::-1]
    error = float(np.sqrt(np.mean((scores - estimate[first]) ** 2))) if len(first) else 0.0
    least = reached[k - 1] - MARGIN * error if len(reached) >= k else -np.inf
    unread = [number for number, each in enumerate(named) if each.beyond() > least]
    rest = order[len(first) :]
    rest = rest[(estimate[rest] >= least) & ~np.isin(owner[rest], unread)]
    keep = ~np.isin(owner[first], unread)
    all_scores, all_ids = [scores[keep]], [ids[keep]]
    if len(rest):
        more, names = _score(targets, owner[rest], slot[rest], query)
        all_scores.append(more)
        all_ids.append(names)
    scans = workers.map(lambda number: _scan(targets[number], query, k), unread)
    for number, (found, places) in zip(unread, scans, strict=True):
        all_scores.append(found[0])
        all_ids.append(targets[number].part.ids[places[0]])
    return all_scores, all_ids


def _score(
    targets: list[_Target], owner: NDArray[np.int64], slot: NDArray[np.int64], query: Scores
) -> tuple[Scores, Ids]:
    """Return the exact scores (n,) and the ids (n,) of rows given by part number and slot."""
    if len(slot) == 0:
        return np.empty(0, dtype=np.float32), np.empty(0, dtype=np.uint32)
    first = targets[0].part.segment
    rows = np.empty((len(slot), first.rows.shape[1]), dtype=np.float16)
    ids = np.empty(len(slot), dtype=np.uint32)
    for number, (part, _, _) in enumerate(targets):
        mine = np.flatnonzero(owner == number)
        rows[mine] = part.segment.rows[slot[mine]]
        ids[mine] = part.segment.ids[slot[mine]]
    found, positions = scan_rows(rows, query, len(rows))
    scores = np.empty(len(rows), dtype=np.float32)
    scores[positions[0]] = found[0]
    return scores, ids


def _best(scores: Scores, ids: Ids, k: int) -> tuple[Scores, Ids]:
    """Return the k highest scores, falling; equal ones by ascending id."""
    order = np.lexsort((ids, -scores))[:k]
    return scores[order], ids[order]
