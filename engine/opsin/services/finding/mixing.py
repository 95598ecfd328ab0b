"""Hybrid search: what pictures show, what they are called, and their tags, each a ranking, joined by reciprocal rank."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import islice, pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from opsin.catalogue import sqlite
from opsin.errors import UsageError
from opsin.services.base.tagging import rows_with
from opsin.services.base.workspace import Workspace
from opsin.services.finding.filters import rows_matching
from opsin.services.finding.query import Part, Query, read_cursor, write_cursor
from opsin.services.finding.ranking import Found, nearest_assets
from opsin.services.finding.search import Page, cutoff_of, hit_of, scale_of
from opsin.services.finding.views import view_assets

DEPTH = 1000
"""So many of each ranking take part."""
_K = 60
"""How little the first ranks differ: Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet"."""
_MOST_WORDS = 32
_LONGEST_NAME = 4
"""Words that a tag's name may have to be found in a longer text."""
_EMPTY = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "some",
        "the",
        "to",
        "with",
    ]
)
"""English words that say nothing of a picture, and that most captions hold."""


class Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """The place of an asset in each ranking, from 1, None where it is not in it, and the points that follow."""

    looks: int | None
    words: int | None
    tags: int | None
    points: float


class Mixed(msgspec.Struct, frozen=True):
    """Assets by row, best first, with their places; ``looks`` are those that the query's vector is near to.

    ``labels`` are what the words name, ``nearest`` is the best score, and ``complete`` says that no ranking was cut.
    """

    ranks: Mapping[int, Ranks]
    looks: Mapping[int, Found]
    labels: frozenset[str]
    nearest: float | None
    complete: bool


def mix(workspace: Workspace, query: Query, vector: NDArray[np.float32]) -> Mixed:
    """Rank the assets that the query's unit ``vector`` (dim,) is near to, whose names hold its words, or whose tags are those.

    :raises UsageError: where the query has no words to look for.
    """
    words = words_of(query.parts)
    if not words:
        raise UsageError("a hybrid search needs words to look for: give some, or search without `hybrid`")
    scale = scale_of(workspace, vector[None], [query.parts])
    within = rows_matching(workspace, query.where)
    near = nearest_assets(workspace, vector, DEPTH, within=within if query.where else None)
    scores = scale.scores(np.array([each.similarity for each in near], np.float32))
    looks = {
        each.asset.row: each
        for each, score in zip(near, scores, strict=True)
        if query.everything or score >= query.least
    }
    with workspace.catalogue.read() as connection:
        called = (row for row in sqlite.rows_called(connection, words) if row in within)
        named = list(islice(called, DEPTH))
    labels, tagged = _tagged(workspace, words, within, vector)
    places = [{row: place for place, row in enumerate(rows, 1)} for rows in (looks, named, tagged)]
    ranks = [_ranks(row, *places) for row in {row: None for each in places for row in each}]
    order = sorted(ranks, key=lambda entry: -entry[1].points)
    complete = all(len(each) < DEPTH for each in places)
    return Mixed(dict(order), looks, labels, float(scores.max()) if len(scores) else None, complete)


def page_of(workspace: Workspace, query: Query, vector: NDArray[np.float32], mixed: Mixed) -> Page:
    """Return the page of a mix that the query asks for."""
    seen = read_cursor(query)
    end = seen + query.limit
    rows = list(mixed.ranks)[seen:end]
    found = {row: mixed.looks[row] for row in rows if row in mixed.looks}
    if lacking := BitMap(row for row in rows if row not in found):
        found |= {each.asset.row: each for each in nearest_assets(workspace, vector, len(lacking), within=lacking)}
    shown = [found[row] for row in rows if row in found]
    scale = scale_of(workspace, vector[None], [query.parts])
    scores = scale.scores(np.array([each.similarity for each in shown], np.float32))
    views = view_assets(workspace, [each.asset for each in shown])
    hits = tuple(
        hit_of(each, float(score), view, mixed.labels) for each, score, view in zip(shown, scores, views, strict=True)
    )
    known = [] if mixed.nearest is None else [mixed.nearest]
    return Page(
        hits=hits,
        cursor=write_cursor(query, end) if len(mixed.ranks) > end else None,
        nearest=max([*known, *(hit.score for hit in hits)], default=None),
        cutoff=cutoff_of(workspace, scale),
    )


def words_of(parts: Sequence[Part]) -> list[str]:
    """Return the words that a query looks for, less those that say nothing, unless there are no others."""
    text = " ".join(str(part.value) for part in parts if part.kind == "text" and part.weight > 0)
    words = [word for word in unicodedata.normalize("NFC", text).split() if any(c.isalnum() for c in word)]
    telling = [word for word in words if "".join(c for c in word if c.isalnum()).casefold() not in _EMPTY]
    return (telling or words)[:_MOST_WORDS]


def _ranks(row: int, looks: Mapping[int, int], words: Mapping[int, int], tags: Mapping[int, int]) -> tuple[int, Ranks]:
    found = looks.get(row), words.get(row), tags.get(row)
    points = sum(1 / (_K + place) for place in found if place is not None)
    return row, Ranks(looks=found[0], words=found[1], tags=found[2], points=points)


def _tagged(
    workspace: Workspace, words: Sequence[str], within: BitMap, vector: NDArray[np.float32]
) -> tuple[frozenset[str], list[int]]:
    """Return the labels that the words name, and the rows of the assets that have them: with the most first, then the nearest."""
    forms = {
        (start, length): workspace.meaning.named_by(" ".join(words[start : start + length]))
        for length in range(1, _LONGEST_NAME + 1)
        for start in range(len(words) - length + 1)
    }
    rows = rows_with(workspace, frozenset().union(*forms.values()))
    having = [BitMap(within)]  # the assets that have at least 0, 1, 2, ... of what is named
    named: set[str] = set()
    start = 0
    while start < len(words):
        for length in range(_LONGEST_NAME, 0, -1):
            labels = {label for label in forms.get((start, length), ()) if rows[label]}
            if labels:
                mine = BitMap.union(BitMap(), *(rows[label] for label in labels))
                having = [
                    having[0],
                    *(more | (less & mine) for less, more in pairwise([*having, BitMap()])),
                ]
                named |= labels
                start += length - 1
                break
        start += 1
    found: list[int] = []
    for less, more in reversed([*pairwise([*having[1:], BitMap()])]):
        near = nearest_assets(workspace, vector, DEPTH - len(found), within=less - more)
        found += [each.asset.row for each in near]
    return frozenset(named), found
