"""Prompts as what their columns are made of: sparse against dense, and columns against the statement x = μ + κν."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from iclscope.tasks import DensePrompts, PatternClassification, PatternPrompts, PatternSampler, PatternShift


class Case(NamedTuple):
    """Settings of a small task; checked by name only when the sampler is made, inside the test."""

    settings: dict[str, Any]
    shift: dict[str, Any] | None
    seeds: list[int]

    def sampler(self) -> PatternSampler:
        shift = None if self.shift is None else PatternShift(**self.shift)
        return PatternClassification(**self.settings, shift=shift).sampler(self.seeds, dtype=torch.float64)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small tasks, in and out of domain, of fixed and varying lengths."""
    M1, M2 = draw(st.integers(4, 6)), draw(st.integers(1, 4))
    shift = draw(
        st.none()
        | st.fixed_dictionaries(
            {
                "S1": st.floats(-1.4, 1.4),
                "M2": st.integers(1, M2),
                "irrelevant": st.sampled_from(["inside", "outside"]),
                "K": st.none() | st.floats(0, 1),
            }
        )
    )
    settings = {
        "M1": M1,
        "M2": M2,
        "d_X": M1 + 2 * M2 + draw(st.integers(0, 2)),
        "d_Y": draw(st.integers(1, 3)),
        "beta": draw(st.floats(0.5, 3)),
        "q_norm": draw(st.floats(0.2, 3)),
        "K": draw(st.floats(0, 1)),
        "alpha": 1.0 if shift and M1 < 6 else draw(st.floats(0, 1)),
        "length": draw(st.integers(1, 6) | st.sampled_from([(1, 5), (3, 6)])),
        "context": draw(st.sampled_from(["independent", "exact"])),
        "tasks": draw(st.sampled_from(["training", "unseen", "all"])),
    }
    return Case(settings, shift, draw(st.lists(st.integers(0, 1000), min_size=1, max_size=3)))


@given(case=cases(), seed=st.integers(0, 1000))
def test_sparse_maps_equal_dense_ones(case: Case, seed: int) -> None:
    sampler = case.sampler()
    prompts = sampler.prompts(4, purpose="test")
    dense = prompts.dense()
    assert isinstance(dense, DensePrompts)
    generator = torch.Generator().manual_seed(seed)
    (runs, batch, length), d = prompts.kappa.shape, prompts.query.shape[2]
    interaction = torch.randn(runs, d, d, generator=generator, dtype=torch.float64)
    projection = torch.randn(runs, 3, d, generator=generator, dtype=torch.float64)
    weights = torch.randn(runs, batch, length, generator=generator, dtype=torch.float64)
    sparse_maps = prompts.scores(interaction), prompts.weighted_sum(weights, projection)
    dense_maps = dense.scores(interaction), dense.weighted_sum(weights, projection)
    for sparse, written_out in zip(sparse_maps, dense_maps, strict=True):
        torch.testing.assert_close(sparse, written_out, rtol=1e-12, atol=1e-11)
    for run in range(runs):  # and the dense ones equal the formulas, column by column
        for prompt in range(batch):
            mixed = torch.zeros(3, dtype=torch.float64)
            for s in range(length):
                column = dense.columns[run, prompt, s]
                score = column @ interaction[run] @ dense.query[run, prompt]
                torch.testing.assert_close(dense_maps[0][run, prompt, s], score, rtol=1e-12, atol=1e-11)
                mixed += weights[run, prompt, s] * (projection[run] @ column)
            torch.testing.assert_close(dense_maps[1][run, prompt], mixed, rtol=1e-12, atol=1e-11)
    assert torch.equal(prompts.query, dense.query)
    assert torch.equal(prompts.labels, dense.labels)
    assert prompts.length == dense.length == length
    assert (prompts.mask is None) == (dense.mask is None)
    if prompts.mask is not None:
        assert torch.equal(prompts.mask, dense.mask)


@given(case=cases())
def test_every_column_is_a_pattern_a_share_of_another_and_a_label(case: Case) -> None:
    """x_s = μ_j + κ ν_k above, ±q below; the query has nothing below. Written out column by column."""
    sampler = case.sampler()
    prompts = sampler.prompts(3, purpose="test")
    dense, basis = prompts.dense(), sampler.basis
    M1, d_X = basis.relevant.shape[1], basis.relevant.shape[2]
    runs, batch, length = prompts.relevant.shape
    for run in range(runs):
        for prompt in range(batch):
            j, k = int(prompts.query_relevant[run, prompt]), int(prompts.query_irrelevant[run, prompt]) - M1
            x = basis.relevant[run, j] + prompts.query_kappa[run, prompt] * basis.irrelevant[run, k]
            torch.testing.assert_close(dense.query[run, prompt, :d_X], x)
            assert not dense.query[run, prompt, d_X:].any()
            assert abs(float(prompts.labels[run, prompt])) == 1
            for s in range(length):
                j, k = int(prompts.relevant[run, prompt, s]), int(prompts.irrelevant[run, prompt, s]) - M1
                assert 0 <= j < M1
                assert 0 <= k < basis.irrelevant.shape[1]
                x = basis.relevant[run, j] + prompts.kappa[run, prompt, s] * basis.irrelevant[run, k]
                y = prompts.signs[run, prompt, s] * basis.label[run]
                assert abs(float(prompts.signs[run, prompt, s])) == 1
                torch.testing.assert_close(dense.columns[run, prompt, s], torch.cat([x, y]))


@given(case=cases())
def test_prompts_know_which_columns_hold_the_querys_pattern(case: Case) -> None:
    sampler = case.sampler()
    prompts = sampler.prompts(4, purpose="test")
    same = prompts.same_pattern
    for run, batch, s in torch.cartesian_prod(*(torch.arange(n) for n in same.shape)).tolist():
        exists = prompts.mask is None or bool(prompts.mask[run, batch, s])
        equal = int(prompts.relevant[run, batch, s]) == int(prompts.query_relevant[run, batch])
        assert bool(same[run, batch, s]) == (exists and equal)
    # The same, read off the columns: a relevant pattern is the only one that a column has a unit share of.
    dense, basis = prompts.dense(), sampler.basis
    d_X = basis.relevant.shape[2]
    own = basis.relevant.gather(1, prompts.query_relevant[..., None].expand(-1, -1, d_X))
    share = torch.einsum("rbsd,rbd->rbs", dense.columns[..., :d_X], own) / (own**2).sum(dim=2)[..., None]
    read = (share - 1).abs() < 1e-9
    assert torch.equal(same, read if prompts.mask is None else read & prompts.mask)


@given(case=cases(), step=st.integers(0, 10**6))
def test_a_batch_is_a_pure_function_of_seed_purpose_and_step(case: Case, step: int) -> None:
    sampler = case.sampler()
    once = sampler.prompts(5, purpose="test", step=step)
    sampler.prompts(3, purpose="other")
    again = sampler.prompts(5, purpose="test", step=step)
    assert_same(once, again)


@given(case=cases(), step=st.integers(0, 10**6))
def test_prompts_do_not_depend_on_the_other_runs(case: Case, step: int) -> None:
    sampler = case.sampler()
    runs = sampler.basis.relevant.shape[0]
    together = sampler.prompts(5, purpose="test", step=step)
    for run in range(runs):
        assert_same(sampler.runs([run]).prompts(5, purpose="test", step=step), together, run)
    backwards = list(range(runs))[::-1]
    reversed_prompts = sampler.runs(backwards).prompts(5, purpose="test", step=step)
    for position, run in enumerate(backwards):
        assert torch.equal(reversed_prompts.kappa[position], together.kappa[run])


def assert_same(one: PatternPrompts, other: PatternPrompts, run: int | None = None) -> None:
    """Bit-equal, or equal to one run of the other.

    Beside other runs, LAPACK's QR factor, and so the patterns, may differ in the last bits; everything drawn may not.
    """
    for name in PatternPrompts.__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if not isinstance(a, Tensor) or not isinstance(b, Tensor):
            assert a == b, name
        elif name == "dictionary" and run is not None:
            torch.testing.assert_close(a, b[[run]], rtol=0, atol=1e-13)
        else:
            assert torch.equal(a, b if run is None else b[[run]]), name


def test_steps_purposes_and_seeds_give_other_prompts() -> None:
    sampler = PatternClassification().sampler([0, 1])
    prompts = sampler.prompts(50, purpose="training")
    for other in (sampler.prompts(50, purpose="training", step=1), sampler.prompts(50, purpose="evaluation")):
        assert not torch.isin(prompts.kappa, other.kappa).any()
        assert torch.equal(prompts.dictionary, other.dictionary)
    assert not torch.isin(prompts.kappa[0], prompts.kappa[1]).any()
    assert not torch.equal(prompts.dictionary[0], prompts.dictionary[1])


def test_precision_only_rounds() -> None:
    task = PatternClassification()
    single = task.sampler([0], dtype=torch.float32).prompts(20, purpose="test")
    double = task.sampler([0], dtype=torch.float64).prompts(20, purpose="test")
    assert single.kappa.dtype == single.dictionary.dtype == single.labels.dtype == torch.float32
    assert torch.equal(single.relevant, double.relevant)
    assert torch.equal(single.dictionary, double.dictionary.float())
    assert torch.equal(single.kappa, double.kappa.float())


def test_runs_may_differ_in_everything_but_their_shape() -> None:
    tasks = [
        PatternClassification(beta=1.0, alpha=0.5, K=0.1, q_norm=2.0),
        PatternClassification(beta=3.0, alpha=1.0, K=0.4, training_tasks="all"),
    ]
    together = PatternSampler(tasks, [4, 5], dtype=torch.float64).prompts(30, purpose="test")
    for run, task in enumerate(tasks):
        assert_same(task.sampler([4 + run], dtype=torch.float64).prompts(30, purpose="test"), together, run)


@pytest.mark.parametrize(("length", "longest"), [(0, 0), (1, 1), (7, 7), ((2, 9), 9), ((3, 3), 3)])
def test_lengths(length: int | tuple[int, int], longest: int) -> None:
    prompts = PatternClassification(length=length).sampler([0]).prompts(3, purpose="test")
    assert prompts.length == longest
    assert (prompts.mask is None) == (length in (0, 1, 7, (3, 3)))
