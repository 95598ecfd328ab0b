"""A product of a few rows is the usual product, in parts that OpenBLAS computes in the calling thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opsin import product
from opsin.plugin.product import LARGE_BATCH, ONE_THREAD


def matrix(rows: int, columns: int) -> Any:
    return np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [(0, 512, 9), (1, 1, 1), (1, 512, 0), (16, 512, 550), (3, 1280, 1000), (LARGE_BATCH, 384, 77), (100, 64, 70)],
)
def test_a_product_is_what_numpy_says(rows: int, inner: int, columns: int) -> None:
    left, right = matrix(rows, inner), matrix(inner, columns)
    found = product(left, right)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, left @ right, rtol=1e-4, atol=1e-4)


def test_a_transposed_matrix_may_be_given() -> None:
    left, right = matrix(5, 512), matrix(700, 512)
    np.testing.assert_allclose(product(left, right.T), left @ right.T, rtol=1e-4, atol=1e-4)


def test_every_part_of_a_small_batch_stays_in_the_calling_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    usual = np.matmul

    def noted(left: Any, right: Any, **options: Any) -> Any:
        sizes.append(left.shape[0] * left.shape[1] * right.shape[1])
        return usual(left, right, **options)

    monkeypatch.setattr(np, "matmul", noted)
    for rows in (1, 16, LARGE_BATCH):
        product(matrix(rows, 512), matrix(512, 550))
    assert sizes
    assert max(sizes) <= ONE_THREAD
