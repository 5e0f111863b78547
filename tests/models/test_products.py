"""Products by tiles against NumPy: any sizes, strides and edges, on this processor and as if on others."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.models.compiled.products import multiply, pack, panel_width
from iclscope.models.compiled.tiles import HERE, Tile, tile_of

KINDS = {np.float32: 2e-5, np.float64: 1e-12}
AROUND = 7.0


def product(a: Any, b: Any, c: Any, *, turned: bool, packed: bool, adds: bool) -> Any:
    """A B (+ C) by `multiply`, inside a larger matrix, of which nothing else may change."""
    (m, k), n, kind = a.shape, b.shape[1], a.dtype.type
    like = kind(0)
    wide = panel_width(like)
    left = np.ascontiguousarray(a.T) if turned else a
    frame = np.full((m + 2, n + 3), AROUND, kind)
    frame[1:-1, 2:-1] = c
    where = b.ctypes.data, n, wide
    panels = np.empty(k * -(-n // wide) * wide, kind)
    if packed:
        pack(np.ascontiguousarray(b).reshape(-1), n, 1, k, n, panels)
        where = panels.ctypes.data, wide, k * wide
    strides = (1, m) if turned else (k, 1)
    multiply(m, n, k, left.ctypes.data, *strides, *where, int(adds), frame[1:, 2:].ctypes.data, n + 3, like)
    found = frame[1:-1, 2:-1].copy()
    frame[1:-1, 2:-1] = AROUND
    assert np.all(frame == AROUND), "written outside the result"
    return found


def check(kind: Any, sizes: tuple[int, int, int], *, turned: bool, packed: bool, adds: bool) -> None:
    m, n, k = sizes
    draw = np.random.default_rng(sum(sizes))
    a, b, c = (draw.standard_normal(shape).astype(kind) for shape in ((m, k), (k, n), (m, n)))
    expected = a.astype(np.float64) @ b.astype(np.float64) + (c if adds else 0)
    found = product(a, b, c, turned=turned, packed=packed, adds=adds)
    np.testing.assert_allclose(found, expected, rtol=0, atol=KINDS[kind] * (1 + k) ** 0.5)


@given(
    st.sampled_from(list(KINDS)), st.tuples(st.integers(1, 40), st.integers(1, 150), st.integers(0, 40)), st.booleans(),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_any_product_is_numpys(kind: Any, sizes: tuple[int, int, int], turned: bool, packed: bool, adds: bool) -> None:
    check(kind, sizes, turned=turned, packed=packed, adds=adds)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_number_of_rows_and_columns_around_a_tile(kind: Any) -> None:
    lanes = HERE.bytes // np.dtype(kind).itemsize
    for m in range(1, 2 * HERE.narrow_rows + 2):
        for n in (1, lanes - 1, lanes, lanes + 1, 2 * lanes, 3 * lanes - 1, 4 * lanes, 4 * lanes + 1, 8 * lanes):
            if n:
                check(kind, (m, n, 5), turned=False, packed=False, adds=True)


@pytest.mark.parametrize("kind", list(KINDS))
def test_how_a_matrix_is_cut_changes_no_bit(kind: Any) -> None:
    """Rows and columns alone are what they are among others: the same numbers whatever tile they fall into."""
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal((23, 31)).astype(kind), draw.standard_normal((31, 90)).astype(kind)
    ways = {"turned": False, "packed": False, "adds": False}
    whole = product(a, b, np.zeros((23, 90)), **ways)
    for rows in (1, 2, 5, 22):
        assert np.array_equal(product(a[:rows], b, np.zeros((rows, 90)), **ways), whole[:rows])
    for columns in (1, 7, 33, 64):
        part = np.ascontiguousarray(b[:, :columns])
        assert np.array_equal(product(a, part, np.zeros((23, columns)), **ways), whole[:, :columns])
        assert np.array_equal(product(a, part, np.zeros((23, columns)), **{**ways, "packed": True}), whole[:, :columns])


def test_nan_stays_in_its_row() -> None:
    a, b = np.ones((9, 4), np.float32), np.ones((4, 21), np.float32)
    a[3, 2] = np.nan
    found = product(a, b, np.zeros((9, 21)), turned=False, packed=False, adds=False)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


@pytest.mark.parametrize(
    ("features", "lanes"),
    [("+sse2,+avx,+avx2,+fma,+avx512f", 16), ("+avx2,+fma,-avx512f", 8), ("+avx2,-fma", 4), ("+neon", 4), ("", 4)],
)
def test_the_tile_is_the_processors(features: str, lanes: int) -> None:
    tile = tile_of(features)
    assert isinstance(tile, Tile)
    assert tile.bytes == 4 * lanes
    registers = {16: 32}.get(lanes, 16)
    assert tile.rows * tile.vectors + tile.vectors < registers
    assert tile.narrow_rows * tile.narrow_vectors + tile.narrow_vectors < registers


OTHERS = {
    "AVX2 alone": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2"},
    "another name": {"NUMBA_CPU_NAME": "haswell"},
    "no feature known": {"NUMBA_CPU_NAME": "generic"},
}


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS)
def test_a_tile_of_another_processor(other: str) -> None:
    """In a process of its own, since Numba asks for the processor once."""
    if HERE.bytes < 32:
        pytest.skip("this processor runs no code for others")
    script = (
        "import sys; sys.path.insert(0, 'tests/models')\n"
        "import test_products as t\n"
        "for kind in t.KINDS:\n"
        "    t.test_every_number_of_rows_and_columns_around_a_tile(kind)\n"
        "    for turned in (False, True):\n"
        "        t.check(kind, (13, 150, 40), turned=turned, packed=not turned, adds=turned)\n"
        "print(t.HERE.bytes)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **OTHERS[other]}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    wanted = {"AVX2 alone": 32, "another name": HERE.bytes, "no feature known": 16}[other]
    assert int(run.stdout) == wanted
