"""Products of pairs of bfloat16: numbers rounded by PyTorch, multiplied in float64."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iclscope.models.compiled.pairs import pack_pairs, pair_columns, pair_rows
from iclscope.models.compiled.products import multiply, panel_width
from iclscope.models.compiled.tiles import HERE, has_bfloat16

pytestmark = pytest.mark.skipif(not has_bfloat16(), reason="needs AVX512-BF16")

AROUND = 7.0
WORD = np.uint32(0)


def rounded(x: Any) -> Any:
    """The same numbers in bfloat16, by PyTorch, as float32."""
    return torch.from_numpy(np.ascontiguousarray(x)).bfloat16().float().numpy()


def halves(words: Any) -> tuple[Any, Any]:
    """The two numbers of each word."""
    return (words << np.uint32(16)).view(np.float32), (words & np.uint32(0xFFFF0000)).view(np.float32)


def product(a: Any, b: Any, c: Any, *, turned: bool, adds: bool) -> Any:
    """A B (+ C), inside a larger matrix, of which nothing else may change."""
    (m, k), n = a.shape, b.shape[1]
    wide, pairs = panel_width(WORD), -(-k // 2)
    left, panels = np.full(pairs * m, 3, np.uint32), np.full(pairs * -(-n // wide) * wide, 3, np.uint32)
    frame = np.full((m + 2, n + 3), AROUND, np.float32)
    frame[1:-1, 2:-1] = c
    pack_pairs(np.ascontiguousarray(b).reshape(-1), n, 1, k, n, panels)
    if turned:
        pair_rows(np.ascontiguousarray(a.T), k, m, left)
        strides = 1, m
    else:
        pair_columns(a, m, k, left)
        strides = pairs, 1
    multiply(m, n, pairs, left.ctypes.data, *strides, panels.ctypes.data, wide, pairs * wide, int(adds),
             frame[1:, 2:].ctypes.data, n + 3, WORD)  # fmt: skip
    found = frame[1:-1, 2:-1].copy()
    frame[1:-1, 2:-1] = AROUND
    assert np.all(frame == AROUND), "written outside the result"
    return found


def check(sizes: tuple[int, int, int], *, turned: bool, adds: bool) -> None:
    m, n, k = sizes
    draw = np.random.default_rng(sum(sizes))
    a, b, c = (draw.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n), (m, n)))
    expected = rounded(a).astype(np.float64) @ rounded(b).astype(np.float64) + (c if adds else 0)
    found = product(a, b, c, turned=turned, adds=adds)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * (1 + k) ** 0.5)


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 150), st.integers(1, 40)), st.booleans(), st.booleans(),
)  # fmt: skip
def test_any_product_is_that_of_rounded_numbers(sizes: tuple[int, int, int], turned: bool, adds: bool) -> None:
    check(sizes, turned=turned, adds=adds)


def test_every_number_of_rows_and_columns_around_a_tile() -> None:
    for m in range(1, 2 * HERE.narrow_rows + 2):
        for n in (1, 15, 16, 17, 32, 47, 64, 65, 128):
            check((m, n, 5), turned=False, adds=True)


def test_how_a_matrix_is_cut_changes_no_bit() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal((23, 31)).astype(np.float32), draw.standard_normal((31, 90)).astype(np.float32)
    whole = product(a, b, np.zeros((23, 90)), turned=False, adds=False)
    assert np.array_equal(product(a, b, np.zeros((23, 90)), turned=True, adds=False), whole)
    for rows in (1, 5, 22):
        part = product(np.ascontiguousarray(a[:rows]), b, np.zeros((rows, 90)), turned=False, adds=False)
        assert np.array_equal(part, whole[:rows])
    for columns in (1, 33, 64):
        part = product(a, b[:, :columns], np.zeros((23, columns)), turned=False, adds=False)
        assert np.array_equal(part, whole[:, :columns])


TIES = [1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 1 + 2**-8 + 2**-20, 3.3e38, 2**-126, 0.0, -0.0]


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, np.finfo(np.float32).max, *TIES])
@pytest.mark.parametrize("count", [1, 40])
def test_numbers_are_rounded_as_pytorch_rounds(special: float, count: int) -> None:
    x = np.full((2, count), special, np.float32)
    expected = rounded(x)
    words = np.empty(count, np.uint32)
    pair_rows(x, 2, count, words)
    for found, wanted in zip(halves(words), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    words = np.empty(2 * -(-count // 2), np.uint32)
    pair_columns(x, 2, count, words)
    first, second = halves(words.reshape(2, -1))
    np.testing.assert_array_equal(first, expected[:, ::2])
    assert np.all(second[:, count // 2 :] == 0)
    np.testing.assert_array_equal(second[:, : count // 2], expected[:, 1::2])


def test_nan_stays_in_its_row() -> None:
    a, b = np.ones((9, 4), np.float32), np.ones((4, 21), np.float32)
    a[3, 2] = np.nan
    found = product(a, b, np.zeros((9, 21)), turned=False, adds=False)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


@pytest.mark.parametrize(
    ("features", "has"),
    [("+avx512f,+avx512bf16", True), ("+avx512f,-avx512bf16", False), ("+avx2,+fma", False), ("", False)],
)
def test_which_processors_have_it(features: str, has: bool) -> None:
    assert has_bfloat16(features) is has


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cooperlake", "znver4", "sapphirerapids"])
def test_another_name_of_the_processor(name: str) -> None:
    """In a process of its own, since Numba asks for the processor once."""
    script = (
        "import sys; sys.path.insert(0, 'tests/models')\n"
        "import test_bfloat16_products as t\n"
        "t.check((13, 150, 41), turned=False, adds=False)\n"
        "t.check((13, 150, 40), turned=True, adds=True)\n"
        "print(t.has_bfloat16())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "NUMBA_CPU_NAME": name}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "True"
