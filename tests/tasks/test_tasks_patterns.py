"""Patterns in and out of domain: norms, right angles, spans, coefficient sums."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from iclscope.tasks import PatternClassification, PatternShift
from iclscope.tasks.patterns import PatternBasis, coefficient_report, pair_coefficients


def bases(seeds: list[int], **settings: object) -> tuple[PatternBasis, PatternBasis]:
    """In-domain patterns, and those that prompts are made of."""
    sampler = PatternClassification(**settings).sampler(seeds, dtype=torch.float64)
    return sampler.in_domain, sampler.basis


def gram(rows: Tensor) -> Tensor:
    return rows @ rows.transpose(-1, -2)


def assert_orthogonal_of_norm(rows: Tensor, norm: float) -> None:
    expected = norm**2 * torch.eye(rows.shape[-2], dtype=torch.float64).expand(rows.shape[0], -1, -1)
    torch.testing.assert_close(gram(rows.double()), expected, atol=1e-10 * norm**2, rtol=0)


@given(
    M1=st.integers(3, 8),
    M2=st.integers(1, 8),
    spare=st.integers(0, 3),
    d_Y=st.integers(1, 6),
    beta=st.floats(0.1, 10),
    q_norm=st.floats(0.1, 10),
    seed=st.integers(0, 10**6),
)
def test_patterns_are_orthogonal_and_of_norm_beta(
    M1: int, M2: int, spare: int, d_Y: int, beta: float, q_norm: float, seed: int
) -> None:
    in_domain, basis = bases([seed, seed + 1], M1=M1, M2=M2, d_X=M1 + M2 + spare, d_Y=d_Y, beta=beta, q_norm=q_norm)
    assert in_domain is basis
    assert basis.relevant.shape == (2, M1, M1 + M2 + spare)
    assert basis.irrelevant.shape == (2, M2, M1 + M2 + spare)
    assert_orthogonal_of_norm(torch.cat([basis.relevant, basis.irrelevant], dim=1), beta)
    torch.testing.assert_close(basis.label.norm(dim=1), torch.full((2,), q_norm, dtype=torch.float64))
    assert not torch.equal(basis.relevant[0], basis.relevant[1])


def test_patterns_are_turned_every_way() -> None:
    """Uniform rotations: no direction is preferred, for the patterns and for q."""
    basis, _ = bases(list(range(400)), M1=3, M2=2, d_X=5, d_Y=3, beta=1.0, q_norm=1.0)
    for rows, d in ((basis.relevant[:, 0], 5), (basis.irrelevant[:, 1], 5), (basis.label, 3)):
        assert bool((rows.mean(dim=0).abs() < 5 / math.sqrt(400 * d)).all())
        assert bool(((rows**2).mean(dim=0) - 1 / d).abs().max() < 5 * math.sqrt(2 / d**2 / 400))


def test_patterns_depend_on_the_seed_alone() -> None:
    one, _ = bases([7], alpha=0.2, length=3)
    other, _ = bases([6, 7], alpha=1.0, context="exact", training_tasks="all")
    assert torch.equal(one.relevant[0], other.relevant[1])
    assert torch.equal(one.label[0], other.label[1])


@given(S1=st.floats(-math.sqrt(2), math.sqrt(2)), M1=st.integers(4, 12))
def test_pair_coefficients_have_the_sum_and_keep_norm_and_angles(S1: float, M1: int) -> None:
    rows = pair_coefficients(S1, M1)
    assert len(rows) == M1 // 2
    for j, row in enumerate(rows):
        assert sum(row) == pytest.approx(S1, abs=1e-9)
        assert sum(k * k for k in row) == pytest.approx(1, abs=1e-9)
        assert all(k == 0 for i, k in enumerate(row) if i not in (2 * j, 2 * j + 1))
    report = coefficient_report(rows)
    assert report.sums == pytest.approx([S1] * len(rows), abs=1e-9)
    assert report.norms == pytest.approx([1] * len(rows), abs=1e-9)
    assert report.largest_inner_product == 0


@given(
    S1=st.floats(-1.4, 1.4),
    M1_shifted=st.integers(2, 4),
    M2_shifted=st.none() | st.integers(1, 5),
    beta=st.floats(0.5, 4),
    seed=st.integers(0, 10**6),
)
def test_shifted_relevant_patterns_are_the_stated_mixtures(
    S1: float, M1_shifted: int, M2_shifted: int | None, beta: float, seed: int
) -> None:
    shift = PatternShift(S1=S1, M1=M1_shifted, M2=M2_shifted)
    in_domain, basis = bases([seed, seed + 1], M1=8, M2=5, d_X=14, d_Y=2, beta=beta, alpha=1.0, shift=shift)
    assert basis.relevant.shape == (2, M1_shifted, 14)
    assert basis.irrelevant.shape == (2, M2_shifted or 5, 14)
    assert_orthogonal_of_norm(torch.cat([basis.relevant, basis.irrelevant], dim=1), beta)
    for j in range(M1_shifted):
        first = (S1 + math.sqrt(2 - S1**2)) / 2
        mixed = first * in_domain.relevant[:, 2 * j] + (S1 - first) * in_domain.relevant[:, 2 * j + 1]
        torch.testing.assert_close(basis.relevant[:, j], mixed)
    # S1 read off the patterns: the sum of their coordinates in the μ's.
    coordinates = basis.relevant @ in_domain.relevant.transpose(1, 2) / beta**2
    torch.testing.assert_close(coordinates.sum(dim=2), torch.full((2, M1_shifted), S1, dtype=torch.float64))
    assert torch.equal(basis.label, in_domain.label)


@given(M2=st.integers(1, 6), M2_shifted=st.integers(1, 6), seed=st.integers(0, 10**6), outside=st.booleans())
def test_shifted_irrelevant_patterns_lie_inside_or_outside_the_span(
    M2: int, M2_shifted: int, seed: int, outside: bool
) -> None:
    assume(outside or M2_shifted <= M2)
    shift = PatternShift(S1=1.2, M2=M2_shifted, irrelevant="outside" if outside else "inside")
    in_domain, basis = bases([seed], M1=6, M2=M2, d_X=6 + M2 + 6, d_Y=1, beta=2.0, shift=shift)
    assert_orthogonal_of_norm(basis.irrelevant, 2.0)
    onto_irrelevant = basis.irrelevant @ in_domain.irrelevant.transpose(1, 2) / 4
    assert float((basis.irrelevant @ in_domain.relevant.transpose(1, 2)).abs().max()) < 1e-10
    if outside:
        assert float(onto_irrelevant.abs().max()) < 1e-10
    else:
        residual = basis.irrelevant - onto_irrelevant @ in_domain.irrelevant
        assert float(residual.abs().max()) < 1e-10
        assert M2 == 1 or float((onto_irrelevant.abs() - 1).abs().min()) > 1e-9  # rotated, not renamed


def test_outside_patterns_are_turned_every_way() -> None:
    shift = PatternShift(S1=1.0, M2=1, irrelevant="outside")
    in_domain, basis = bases(list(range(300)), M1=4, M2=1, d_X=8, d_Y=1, beta=1.0, alpha=1.0, shift=shift)
    taken = torch.cat([in_domain.relevant, in_domain.irrelevant], dim=1)
    free = torch.eye(8, dtype=torch.float64) - taken.transpose(1, 2) @ taken
    # The part of a fixed direction's free component that the pattern takes: mean square 1/3 of its length.
    fixed = free[:, 0]
    share = (basis.irrelevant[:, 0] * fixed).sum(dim=1) / fixed.norm(dim=1)
    assert abs(float(share.mean())) < 5 / math.sqrt(300 * 3)
    assert abs(float((share**2).mean()) - 1 / 3) < 5 * math.sqrt(4 / 45 / 300)


def test_a_coefficient_matrix_of_ones_own() -> None:
    rows = ((0.6, 0.8, 0.0), (0.8, -0.6, 0.0))
    shift = PatternShift(coefficients=rows)
    in_domain, basis = bases([0], M1=3, M2=2, d_X=5, d_Y=1, alpha=1.0, shift=shift)
    torch.testing.assert_close(basis.relevant, torch.tensor([rows], dtype=torch.float64) @ in_domain.relevant)
    report = coefficient_report(rows)
    assert report.sums == pytest.approx([1.4, 0.2])
    assert report.norms == pytest.approx([1, 1])
    assert report.largest_inner_product == pytest.approx(0, abs=1e-12)


def test_rows_that_are_not_orthonormal_are_accepted_only_when_asked_for() -> None:
    rows = ((2.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 0.5))
    with pytest.raises(ValueError, match="coefficient row"):
        PatternShift(coefficients=rows)
    report = coefficient_report(rows)
    assert report.sums == pytest.approx([2, 2, 0.5])
    assert report.norms == pytest.approx([2, math.sqrt(2), 0.5])
    assert report.largest_inner_product == pytest.approx(2)
    _, basis = bases([0], M1=3, M2=2, d_X=5, d_Y=1, beta=1.0, shift=PatternShift(coefficients=rows, strict=False))
    torch.testing.assert_close(basis.relevant[0].norm(dim=1).tolist(), list(report.norms))


def test_shifted_prompts_use_their_own_range_of_kappa() -> None:
    task = PatternClassification(shift=PatternShift(S1=1.1, K=0.05))
    prompts = task.sampler([0]).prompts(200, purpose="test")
    assert 0.045 < float(prompts.kappa.abs().max()) <= 0.05
    keeps = task.replace(shift=PatternShift(S1=1.1))
    assert float(keeps.sampler([0]).prompts(200, purpose="test").kappa.abs().max()) > 0.45


def test_shifted_prompts_are_drawn_from_all_pairs_of_shifted_patterns() -> None:
    task = PatternClassification(alpha=0.8, shift=PatternShift(S1=1.1))
    assert task.task_set() == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    prompts = task.sampler([0]).prompts(500, purpose="test")
    assert sorted(prompts.relevant.unique().tolist()) == [0, 1, 2]
    assert sorted(prompts.query_relevant.unique().tolist()) == [0, 1, 2]
    assert sorted(prompts.irrelevant.unique().tolist()) == list(range(3, 27))
