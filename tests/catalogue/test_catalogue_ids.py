"""Public identifiers."""

from __future__ import annotations

import uuid

from opsin.catalogue.ids import new_id


def test_ids_sort_by_time_and_their_beginnings_tell_them_apart() -> None:
    made = [new_id() for _ in range(200)]
    assert made == sorted(made)
    assert len({name[:18] for name in made}) >= 195  # the clock may stand still for a moment
    assert {uuid.UUID(name).version for name in made} == {7}
