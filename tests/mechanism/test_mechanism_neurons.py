"""Neuron alignment on constructed weights, and the split into large and small neurons."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iclscope.mechanism import large_neurons, neuron_alignment
from iclscope.models import SoftmaxReLUTransformer
from iclscope.tasks import PatternClassification
from iclscope.tasks.patterns import PatternBasis

TASK = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, beta=2.0, q_norm=0.5)


def model_with_rows(rows: torch.Tensor) -> SoftmaxReLUTransformer:
    """A model whose W_O W_V has the given rows, with a W_V that is not the identity."""
    runs, width, d = rows.shape
    model = SoftmaxReLUTransformer(seeds=runs, d_X=8, d_Y=3, width=width, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.W_V.copy_(torch.eye(d) + 0.1 * torch.randn(runs, d, d, generator=generator))
        model.W_O.copy_(rows @ torch.linalg.inv(model.W_V))
    return model


def basis_of(seeds: list[int]) -> PatternBasis:
    return TASK.sampler(seeds, dtype=torch.float64).in_domain


def test_constructed_neurons_are_aligned() -> None:
    basis = basis_of([0, 1])
    mean, q = basis.relevant.mean(dim=1), basis.label
    aligned = torch.cat([3 * mean, 2 * q], dim=1)
    opposed = torch.cat([-mean, -5 * q], dim=1)
    crossed = torch.cat([basis.irrelevant[:, 0], torch.zeros_like(q)], dim=1)
    one_pattern = torch.cat([basis.relevant[:, 2], q], dim=1)
    model = model_with_rows(torch.stack([aligned, opposed, crossed, one_pattern], dim=1))
    found = neuron_alignment(model, basis)
    mean_norm = 2.0 / math.sqrt(4)
    for run in range(2):
        # μ_j is at cosine 1/√M1 from the mean of M1 orthogonal patterns.
        assert found.feature_cosine[run].tolist() == pytest.approx([1, -1, 0, 1 / math.sqrt(4)], abs=1e-9)
        assert found.label_cosine[run, [0, 1, 3]].tolist() == pytest.approx([1, -1, 1], abs=1e-9)
        assert found.feature_norm[run].tolist() == pytest.approx([3 * mean_norm, mean_norm, 2.0, 2.0])
        assert found.label_norm[run].tolist() == pytest.approx([1.0, 2.5, 0.0, 0.5], abs=1e-9)


def test_every_run_is_measured_against_its_own_patterns() -> None:
    basis = basis_of([0, 1])
    rows = torch.cat([basis.relevant.mean(dim=1), basis.label], dim=1)[[1, 0], None]  # each the other's
    found = neuron_alignment(model_with_rows(rows), basis)
    assert bool((found.feature_cosine.abs() < 0.95).all())
    assert bool((found.label_cosine.abs() < 0.999).all())


def test_initial_neurons_are_not_aligned() -> None:
    model = SoftmaxReLUTransformer(seeds=[0], d_X=8, d_Y=3, width=2000, dtype=torch.float64)
    found = neuron_alignment(model, basis_of([0]))
    assert abs(float(found.feature_cosine.mean())) < 5 / math.sqrt(8 * 2000)
    assert abs(float(found.label_cosine.mean())) < 5 / math.sqrt(3 * 2000)
    assert not found.feature_norm.requires_grad


@given(
    large=st.lists(st.floats(1.0, 2.0), min_size=1, max_size=10),
    small=st.lists(st.floats(0.02, 0.03), min_size=1, max_size=10),
    seed=st.integers(0, 1000),
)
def test_a_planted_split_is_found(large: list[float], small: list[float], seed: int) -> None:
    """Two groups of different orders of magnitude, of any sizes."""
    order = torch.randperm(len(large) + len(small), generator=torch.Generator().manual_seed(seed))
    norms = torch.tensor(large + small)[order]
    planted = (order < len(large))[None]
    assert torch.equal(large_neurons(norms[None]), planted)
    assert torch.equal(large_neurons(torch.stack([norms, norms.flip(0)]))[1], planted[0].flip(0))


def test_no_run_disturbs_another() -> None:
    norms = torch.tensor([[0.1, 0.11, 1.0, 1.1], [10.0, 0.1, 0.11, 11.0]])
    assert large_neurons(norms).tolist() == [[False, False, True, True], [True, False, False, True]]


def test_a_run_that_diverged_does_not_end_the_others_analysis() -> None:
    norms = torch.tensor([[0.1, 0.11, 1.0, 1.1], [0.1, torch.nan, 1.0, torch.inf]])
    assert large_neurons(norms)[0].tolist() == [False, False, True, True]
