"""How much 10,000 saved searches cost per upload, beside the bare product of the picture's vector with theirs.

    python -m benchmarks.saved_searches

Target: 1 ms an upload. The vectors are made: unit rows of 512 dimensions, with a background of 500. "words": as the starter encodes words, half of a query's
dimensions are zero; "all": none are, as with open_clip and with examples. "owned": each asks for one of 1,000 owners;
"open": none asks for an owner, so that all are compared. Of them one in 100, or one in 10,000, passes the cut-off: each match
is told. Figures are medians of wall and CPU milliseconds an upload, for
uploads that come alone and for those that are committed 16 at once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.catalogue.assets import AssetRow
from opsin.fusion.cutoff import Background
from opsin.model import Tag
from opsin.plugin.product import product
from opsin.services.finding.filters import check_of, owner_of, parse
from opsin.services.telling.comparing import Known, Matched, Table

SEARCHES = 10_000
DIM = 512
UPLOADS = 320
OWNERS = 1000


def unit_rows(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def asset(number: int) -> AssetRow:
    """Return an asset that is stored nowhere."""
    known: dict[str, Any] = {"row": number, "content_id": number, "owner": f"owner-{number % OWNERS}"}
    others: dict[str, Any] = dict.fromkeys(AssetRow.__struct_fields__)
    return AssetRow(**{**others, **known})


def median_ms(work: Callable[[list[int]], object], together: int) -> tuple[float, float]:
    """Return the medians of wall and CPU time an upload, in milliseconds."""
    wall, cpu = [], []
    for start in range(0, UPLOADS, together):
        numbers = list(range(start, start + together))
        begun, used = time.perf_counter(), time.process_time()
        work(numbers)
        wall.append((time.perf_counter() - begun) / together * 1000)
        cpu.append((time.process_time() - used) / together * 1000)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    print(f"{SEARCHES:,} saved searches of {DIM} dimensions")
    everywhere = unit_rows(SEARCHES, 1)
    words = everywhere.copy()
    words[:, DIM // 2 :] = 0
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    for kind, queries in {"words": words, "all": everywhere}.items():
        measure(f"{kind}, owned", queries, owned=True, passing=0.01)
        measure(f"{kind}, open, rare", queries, owned=False, passing=0.0001)
        measure(f"{kind}, open", queries, owned=False, passing=0.01)


def measure(kind: str, queries: NDArray[np.float32], *, owned: bool, passing: float) -> None:
    """Print what uploads cost that are compared with ``queries``, unit rows, which ask for an owner each if ``owned``.

    ``passing`` is the share of the queries whose cut-off a picture passes.
    """
    pictures = unit_rows(UPLOADS, 2)
    scale = Background.of(unit_rows(500, 3)).scale(queries, [{"text"}] * SEARCHES)
    near = product(pictures[:64], queries.T)
    least = float(np.quantile((near - scale.middle) / scale.spread, 1 - passing))
    conditions = [(f"owner=owner-{place % OWNERS}",) if owned else () for place in range(SEARCHES)]
    known = tuple(
        Known(
            id=str(place),
            name=f"search {place}",
            owner=owner_of(asked := [parse(each) for each in conditions[place]]),
            conditions=str(conditions[place]),
            checks=tuple(map(check_of, asked)),
            names=frozenset(),
            query=queries[place],
            scale=scale.at(np.array([place])),
            least=float(scale.middle[place] + least * scale.spread[place]),
        )
        for place in range(SEARCHES)
    )
    made, tags = Table(known), [Tag(label="made", score=1.0, by="model")]

    rows = [asset(number) for number in range(UPLOADS)]

    def match(numbers: list[int]) -> dict[int, list[Matched]]:
        vectors = {number: pictures[number : number + 1] for number in numbers}
        return made.matches(vectors, [rows[number] for number in numbers], dict.fromkeys(numbers, tags))

    matches = sum(len(each) for each in match(list(range(UPLOADS))).values())
    print(f"{kind}: {matches / UPLOADS:.1f} matches an upload")
    for together in (1, 16):
        floor = median_ms(lambda numbers: product(pictures[numbers], queries.T), together)
        found = median_ms(match, together)
        print(
            f"{together:3} at once: {found[0]:.3f} ms an upload ({found[1]:.3f} CPU), "
            f"bare product {floor[0]:.3f} ms ({floor[1]:.3f} CPU), ratio {found[0] / floor[0]:.2f}"
        )


if __name__ == "__main__":
    main()
