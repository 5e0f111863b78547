"""Which neurons stay: how many, which, and that more pruning never brings one back."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.models import SoftmaxReLUTransformer
from iclscope.pruning import METHODS, kept_neurons, kept_of_group, magnitude

rates = st.floats(0, 1)


def scores_of(seed: int, runs: int, width: int) -> torch.Tensor:
    return torch.rand(runs, width, generator=torch.Generator().manual_seed(seed))


@given(
    seed=st.integers(0, 1000),
    runs=st.integers(1, 3),
    width=st.integers(1, 40),
    one=rates,
    other=rates,
    method=st.sampled_from(METHODS),
)
def test_counts_and_nesting(seed: int, runs: int, width: int, one: float, other: float, method: str) -> None:
    scores, seeds = scores_of(seed, runs, width), list(range(seed, seed + runs))
    low, high = sorted((one, other))
    few, many = kept_neurons(scores, high, method, seeds=seeds), kept_neurons(scores, low, method, seeds=seeds)
    assert few.dtype == torch.bool
    assert few.shape == scores.shape
    assert (~few).sum(dim=1).tolist() == [round(high * width)] * runs
    assert bool((few <= many).all())
    if method == "smallest":
        for kept, row in zip(few, scores, strict=True):
            assert not kept.any() or kept.all() or float(row[~kept].max()) <= float(row[kept].min())
    if method == "largest":
        for kept, row in zip(few, scores, strict=True):
            assert not kept.any() or kept.all() or float(row[~kept].min()) >= float(row[kept].max())


def test_smallest_and_largest_by_hand() -> None:
    scores = torch.tensor([[0.3, 0.1, 0.4, 0.2], [1.0, 4.0, 3.0, 2.0]])
    assert kept_neurons(scores, 0.5, "smallest").tolist() == [[True, False, True, False], [False, True, True, False]]
    assert kept_neurons(scores, 0.25, "largest").tolist() == [[True, True, False, True], [True, False, True, True]]
    assert kept_neurons(scores, 0.0, "largest").all()
    assert not kept_neurons(scores, 1.0, "smallest").any()


def test_random_pruning_takes_every_neuron_equally_often_and_no_notice_of_scores() -> None:
    scores = torch.arange(10.0).repeat(3000, 1)
    kept = kept_neurons(scores, 0.3, "random", seeds=range(3000))
    often = kept.double().mean(dim=0)
    assert bool(((often - 0.7).abs() < 5 * math.sqrt(0.21 / 3000)).all())
    assert torch.equal(kept, kept_neurons(-scores, 0.3, "random", seeds=range(3000)))


def test_random_pruning_of_a_run_depends_on_its_seed_alone() -> None:
    scores = torch.rand(3, 20)
    kept = kept_neurons(scores, 0.5, "random", seeds=[4, 5, 6])
    assert torch.equal(kept[[1]], kept_neurons(scores[:1], 0.5, "random", seeds=[5]))
    assert not torch.equal(kept[0], kept[1])


@given(
    seed=st.integers(0, 1000),
    runs=st.integers(1, 3),
    width=st.integers(1, 40),
    one=rates,
    other=rates,
    share_of_group=rates,
)
def test_part_of_a_group(seed: int, runs: int, width: int, one: float, other: float, share_of_group: float) -> None:
    group = scores_of(seed, runs, width) < share_of_group
    seeds = list(range(seed, seed + runs))
    low, high = sorted((one, other))
    few, many = kept_of_group(group, high, seeds), kept_of_group(group, low, seeds)
    assert bool((few | group).all())  # outside the group nothing goes
    assert bool((few <= many).all())
    for kept, members in zip(few, group, strict=True):
        assert abs(int((~kept).sum()) - high * int(members.sum())) <= 0.5 + 1e-4
    assert torch.equal(kept_of_group(group, 1.0, seeds), ~group)
    assert kept_of_group(group, 0.0, seeds).all()


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan, math.inf])
def test_rates_that_are_no_share_are_refused(rate: float) -> None:
    with pytest.raises(BadRequest, match="pruning rate"):
        kept_neurons(torch.rand(1, 4), rate, "smallest")
    with pytest.raises(BadRequest, match="share"):
        kept_of_group(torch.ones(1, 4, dtype=torch.bool), rate, [0])


def test_other_refusals() -> None:
    with pytest.raises(BadRequest, match="seeds"):
        kept_neurons(torch.rand(2, 4), 0.5, "random")
    with pytest.raises(BadRequest, match="seeds"):
        kept_neurons(torch.rand(2, 4), 0.5, "random", seeds=[1])


def test_magnitude_is_the_norm_of_a_row_of_W_O() -> None:
    model = SoftmaxReLUTransformer(seeds=2, d_X=2, d_Y=2, width=3, m_b=2)
    with torch.no_grad():
        model.W_O.copy_(torch.tensor([[[3.0, 4.0], [0.0, 0.0], [5.0, 12.0]], [[1.0, 0.0], [0.0, 2.0], [0.0, -3.0]]]))
    scores = magnitude(model)
    assert scores.tolist() == [[5.0, 0.0, 13.0], [1.0, 2.0, 3.0]]
    assert not scores.requires_grad
