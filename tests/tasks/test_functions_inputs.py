"""Where inputs come from: every distribution's second moments, and what makes it another one."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from iclscope.core.random_streams import RandomStream
from iclscope.tasks.function_classes import InputName
from iclscope.tasks.function_classes.inputs import draw_inputs


def drawn(name: InputName, batch: int, points: int, d: int, seeds: tuple[int, ...] = (0,)) -> Tensor:
    return draw_inputs(name, RandomStream.from_seeds(seeds, "some inputs"), batch, points, d)


@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("name", get_args(InputName))
def test_second_moments_are_those_of_the_standard_normal_distribution(name: InputName, d: int) -> None:
    """Over prompts, whatever a single prompt is like: mean 0, and covariance I, of trace d."""
    batch = 40_000
    x = drawn(name, batch, 2, d)
    assert x.shape == (1, batch, 2, d)
    for point in range(2):
        own = x[0, :, point]
        covariance = own.T @ own / batch
        expected = torch.eye(d, dtype=torch.float64)
        if name == "orthogonal_query" and point == 1:
            expected = expected * (d - 1) / d  # one direction of d is taken
        error = 5 * ((own[:, :, None] * own[:, None, :]).std(dim=0) / math.sqrt(batch))
        assert bool(((covariance - expected).abs() < error + 1e-12).all()), f"point {point}"
        assert bool((own.mean(dim=0).abs() < 5 / math.sqrt(batch) * own.std(dim=0)).all())


def covariances(name: InputName, d: int) -> Tensor:
    """The covariance of each of three prompts, from many points."""
    points = 40_000
    x = drawn(name, 3, points, d)[0]
    return x.transpose(1, 2) @ x / points


def test_skewed_eigenvalues_fall_with_the_square_of_their_number() -> None:
    d = 6
    expected = torch.tensor([1 / i**2 for i in range(1, d + 1)], dtype=torch.float64)
    expected *= d / expected.sum()
    for covariance in covariances("skewed", d):
        values = torch.linalg.eigvalsh(covariance).flip(0)
        torch.testing.assert_close(values, expected, rtol=5 * math.sqrt(2 / 40_000), atol=0)
        assert float(covariance.trace()) == pytest.approx(d, rel=0.05)


@pytest.mark.parametrize("d", [2, 5, 6])
def test_a_half_subspace_has_half_the_dimensions(d: int) -> None:
    half = d // 2
    x = drawn("half_subspace", 4, 3 * d, d)[0]
    for prompt in x:
        sizes = torch.linalg.svdvals(prompt)
        assert int((sizes > 1e-9 * sizes[0]).sum()) == half
    for covariance in covariances("half_subspace", d):
        values = torch.linalg.eigvalsh(covariance).flip(0)
        torch.testing.assert_close(values[:half], torch.full((half,), d / half, dtype=torch.float64), rtol=0.05, atol=0)
        assert float(values[half:].abs().max()) < 1e-9


@pytest.mark.parametrize("name", ["skewed", "half_subspace"])
def test_directions_are_another_prompts_own(name: InputName) -> None:
    first = [torch.linalg.eigh(covariance).eigenvectors[:, -1] for covariance in covariances(name, 4)]
    assert all(abs(float(first[i] @ first[j])) < 0.999 for i, j in ((0, 1), (0, 2), (1, 2)))


def test_an_orthant_is_the_whole_contexts_and_the_query_has_another() -> None:
    x = drawn("orthants", 4000, 5, 3)[0]
    signs = x.sign()
    assert bool((signs[:, :4] == signs[:, :1]).all())
    pattern = signs[:, 0]
    for what in (pattern, signs[:, 4], pattern * signs[:, 4]):  # the query's is fair, and independent
        assert bool((what.mean(dim=0).abs() < 5 / math.sqrt(4000)).all())
    found = {tuple(row) for row in pattern.tolist()}
    assert len(found) == 8
    # The sizes are those of normal numbers.
    assert float(x[:, :4].abs().mean()) == pytest.approx(math.sqrt(2 / math.pi), rel=0.02)


@pytest.mark.parametrize("context", [0, 1, 4])
def test_an_orthogonal_query_is_orthogonal_to_every_example(context: int) -> None:
    d = 5
    x = drawn("orthogonal_query", 3000, context + 1, d)[0]
    products = (x[:, :-1] * x[:, -1:]).sum(dim=2)
    assert float(products.abs().max() if context else 0) < 1e-10
    assert torch.equal(x[:, :-1], drawn("gaussian", 3000, context + 1, d)[0][:, :-1])
    square = x[:, -1].square().sum(dim=1)
    assert abs(float(square.mean()) - (d - context)) < 5 * float(square.std()) / math.sqrt(3000)


def test_a_repeated_query_is_one_of_the_examples_each_as_likely() -> None:
    x = drawn("repeated_query", 4000, 5, 3)[0]
    same = (x[:, :4] == x[:, 4:]).all(dim=2)
    assert bool((same.sum(dim=1) == 1).all())
    share = same.double().mean(dim=0)
    assert float((share - 0.25).abs().max()) < 5 * math.sqrt(0.25 * 0.75 / 4000)


@given(
    name=st.sampled_from(get_args(InputName)),
    seeds=st.lists(st.integers(0, 1000), min_size=2, max_size=3, unique=True),
    batch=st.integers(1, 3),
    points=st.integers(2, 4),
    d=st.integers(4, 6),
)
def test_runs_do_not_depend_on_each_other(name: InputName, seeds: list[int], batch: int, points: int, d: int) -> None:
    together = drawn(name, batch, points, d, tuple(seeds))
    for run, seed in enumerate(seeds):
        # LAPACK's QR factor of a stack may differ from one alone in the last bits.
        torch.testing.assert_close(drawn(name, batch, points, d, (seed,))[0], together[run], rtol=0, atol=1e-12)
    assert not torch.isclose(together[0], together[1]).any()
