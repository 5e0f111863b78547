"""Least squares, averaging and nearest neighbours, against NumPy prompt by prompt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from iclscope.baselines.regression import averaging, least_squares, nearest_neighbours
from iclscope.core.errors import BadRequest

Prompts = tuple[Tensor, Tensor, Tensor]


def make_prompts(batch: int, k: int, d: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Prompts:
    """Linear functions of standard normal inputs, with a query for each."""
    draw = torch.Generator().manual_seed(seed)
    inputs, query, weights = (torch.randn(batch, *shape, generator=draw) for shape in ((k, d), (d,), (d,)))
    targets = (inputs @ weights[..., None])[..., 0]
    return inputs.to(dtype), targets.to(dtype), query.to(dtype)


def numpy_least_squares(inputs: Tensor, targets: Tensor, query: Tensor) -> NDArray[np.float64]:
    """NumPy's minimum-norm solution for each prompt, with NumPy's own cutoff for the precision at hand."""
    answers = []
    for x, y, q in zip(inputs.numpy(), targets.numpy(), query.numpy(), strict=True):
        cutoff = np.finfo(x.dtype).eps * max(x.shape)
        answers.append(q.astype(float) @ np.linalg.lstsq(x.astype(float), y.astype(float), rcond=cutoff)[0])
    return np.array(answers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 2, 5, 6, 13])
def test_least_squares_against_numpy(k: int, dtype: torch.dtype) -> None:
    prompts = make_prompts(20, k, 6, dtype)
    answers = least_squares(*prompts)
    assert answers.dtype == dtype
    np.testing.assert_allclose(answers, numpy_least_squares(*prompts), rtol=1e-5 if dtype == torch.float32 else 1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [4, 8, 20])
def test_least_squares_on_a_subspace(k: int, dtype: torch.dtype) -> None:
    """The directions that the context never showed get no weight, whatever the precision's rounding says."""
    d = 8
    inputs, _, query = make_prompts(200, k, d, dtype, seed=1)
    basis = torch.linalg.qr(make_prompts(200, d, d // 2, dtype, seed=2)[0])[0]
    flat = inputs @ basis @ basis.mT
    targets = flat.sum(-1)
    answers = least_squares(flat, targets, query)
    tolerance = 2e-3 if dtype == torch.float32 else 1e-8
    np.testing.assert_allclose(answers, numpy_least_squares(flat, targets, query), rtol=0, atol=tolerance)
    # Only what the context spans of the query counts.
    inside = (query[:, None] @ basis @ basis.mT)[:, 0]
    torch.testing.assert_close(least_squares(flat, targets, inside), answers, rtol=0, atol=tolerance)
    if k >= d // 2:
        torch.testing.assert_close(answers, inside.sum(-1), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_least_squares_with_repeated_inputs(dtype: torch.dtype) -> None:
    inputs, targets, query = make_prompts(20, 3, 6, dtype)
    doubled = torch.cat((inputs, inputs, inputs[:, :1]), dim=1)
    same = torch.cat((targets, targets, targets[:, :1]), dim=1)
    torch.testing.assert_close(least_squares(doubled, same, query), least_squares(inputs, targets, query))
    # Contradictory targets of one input count with their mean.
    other = torch.cat((targets + 1, targets - 1, targets[:, :1]), dim=1)
    expected = numpy_least_squares(doubled, other, query)
    np.testing.assert_allclose(least_squares(doubled, other, query), expected, rtol=1e-4)


def test_least_squares_of_zero_inputs_is_zero() -> None:
    _, targets, query = make_prompts(5, 4, 3)
    assert (least_squares(torch.zeros(5, 4, 3, dtype=torch.float64), targets, query) == 0).all()


@given(k=st.integers(1, 8), d=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_least_squares_interpolates_or_recovers(k: int, d: int, seed: int) -> None:
    inputs, targets, query = make_prompts(4, k, d, seed=seed)
    if k <= d:
        noise = make_prompts(4, k, d, seed=seed + 1)[1]
        for i in range(k):
            torch.testing.assert_close(least_squares(inputs, noise, inputs[:, i]), noise[:, i], rtol=1e-6, atol=1e-6)
    if k >= d:
        weights = torch.linalg.lstsq(inputs, targets[..., None], driver="gelsd").solution[..., 0]
        expected = (weights * query).sum(-1)
        torch.testing.assert_close(least_squares(inputs, targets, query), expected, rtol=1e-6, atol=1e-6)


@given(scale=st.floats(-1e3, 1e3), k=st.integers(0, 9), seed=st.integers(0, 10**6))
def test_answers_scale_with_the_targets(scale: float, k: int, seed: int) -> None:
    inputs, targets, query = make_prompts(3, k, 5, seed=seed)
    for answer in (least_squares, averaging, nearest_neighbours):
        expected = scale * answer(inputs, targets, query)
        torch.testing.assert_close(answer(inputs, scale * targets, query), expected, rtol=1e-6, atol=1e-6)


def test_averaging_by_hand() -> None:
    inputs = torch.tensor([[[1.0, 2.0], [3.0, -1.0]]])
    targets = torch.tensor([[2.0, -4.0]])
    # The mean of (2, 4) and (-12, 4) is (-5, 4).
    assert averaging(inputs, targets, torch.tensor([[10.0, 1.0]])).tolist() == [-46.0]


def test_averaging_against_numpy() -> None:
    inputs, targets, query = make_prompts(10, 7, 4)
    expected = [q @ (x * y[:, None]).mean(0) for x, y, q in zip(inputs, targets, query, strict=True)]
    torch.testing.assert_close(averaging(inputs, targets, query), torch.stack(expected))


@pytest.mark.parametrize("neighbours", [1, 3, 5])
@pytest.mark.parametrize("k", [1, 2, 3, 12])
def test_neighbours_by_brute_force(k: int, neighbours: int) -> None:
    inputs, targets, query = make_prompts(30, k, 4)
    expected = []
    for x, y, q in zip(inputs.tolist(), targets.tolist(), query.tolist(), strict=True):
        ranked = sorted(range(k), key=lambda i: sum((a - b) ** 2 for a, b in zip(x[i], q, strict=True)))
        chosen = ranked[:neighbours]
        expected.append(sum(y[i] for i in chosen) / len(chosen))
    answers = nearest_neighbours(inputs, targets, query, neighbours=neighbours)
    np.testing.assert_allclose(answers, expected, rtol=1e-12)


def test_the_earlier_of_equally_near_examples_is_asked() -> None:
    inputs = torch.tensor([[[1.0], [-1.0], [1.0], [-1.0], [1.0]]]).expand(50, -1, -1)
    targets = torch.arange(250.0).reshape(50, 5)
    answers = nearest_neighbours(inputs, targets, torch.zeros(50, 1), neighbours=2)
    torch.testing.assert_close(answers, targets[:, :2].mean(-1))


def test_no_neighbours_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"neighbours: expected .*, got 0"):
        nearest_neighbours(*make_prompts(1, 2, 3), neighbours=0)
