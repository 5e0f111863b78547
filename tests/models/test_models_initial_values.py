"""Initial values as in Li 2024, and how runs are taken apart."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from iclscope.core.errors import BadRequest
from iclscope.core.random_streams import RandomStream
from iclscope.models import SoftmaxReLUConfig, SoftmaxReLUTransformer


@given(
    d_X=st.integers(1, 6),
    d_Y=st.integers(1, 4),
    m_a=st.none() | st.integers(1, 12),
    m_b=st.none() | st.integers(1, 12),
    delta=st.floats(0.01, 0.2),
)
def test_query_key_and_value_matrices_start_diagonal(
    d_X: int, d_Y: int, m_a: int | None, m_b: int | None, delta: float
) -> None:
    model = SoftmaxReLUTransformer(
        seeds=2, d_X=d_X, d_Y=d_Y, m_a=m_a, m_b=m_b, delta=delta, width=3, dtype=torch.float64
    )
    d = d_X + d_Y
    W_Q, W_K, W_V = (weight.tolist() for weight in (model.W_Q, model.W_K, model.W_V))
    for run in range(2):
        for i in range(m_a or d):
            expected = [delta if i == j and j < d_X else 0.0 for j in range(d)]
            assert W_Q[run][i] == expected
            assert W_K[run][i] == expected
        for i in range(m_b or d):
            assert W_V[run][i] == [delta if i == j else 0.0 for j in range(d)]
    assert model.W_Q.shape == model.W_K.shape == (2, m_a or d, d)
    assert model.W_V.shape == (2, m_b or d, d)
    assert model.W_O.shape == (2, 3, m_b or d)
    assert model.a.shape == (2, 3)


def test_mlp_weights_are_normal_with_standard_deviation_xi() -> None:
    model = SoftmaxReLUTransformer(seeds=2, width=400, xi=0.03, dtype=torch.float64)
    count = model.W_O[0].numel()
    for run in range(2):
        entries = model.W_O.detach()[run].flatten() / 0.03
        assert abs(float(entries.mean())) < 5 / math.sqrt(count)
        assert abs(float(entries.std()) - 1) < 5 / math.sqrt(2 * count)
        assert abs(float((entries**4).mean()) - 3) < 5 * math.sqrt(96 / count)
    assert abs(float((model.W_O.detach()[0] * model.W_O.detach()[1]).mean()) / 0.03**2) < 5 / math.sqrt(count)


def test_output_signs_are_fair_and_never_trained() -> None:
    model = SoftmaxReLUTransformer(seeds=3, width=1000, dtype=torch.float64)
    scale = 1 / math.sqrt(1000)
    torch.testing.assert_close(model.a.abs(), torch.full((3, 1000), scale, dtype=torch.float64))
    for run in range(3):
        assert abs(int((model.a[run] > 0).sum()) - 500) < 5 * math.sqrt(250)
    assert len({tuple(row.tolist()) for row in model.a}) == 3
    assert [name for name, _ in model.named_parameters()] == ["W_Q", "W_K", "W_V", "W_O"]
    assert [name for name, _ in model.named_buffers()] == ["a"]


def test_signs_do_not_follow_the_weights() -> None:
    model = SoftmaxReLUTransformer(seeds=1, width=2000, d_X=3, d_Y=2, dtype=torch.float64)
    together = (model.a.sign() * model.W_O.detach()[..., 0] / 0.02).mean()
    assert abs(float(together)) < 5 / math.sqrt(2000)


def test_weights_and_signs_of_a_seed_stay_what_they_are() -> None:
    """They are numbers of one stream, at its steps 0 and 1: with others no earlier run could be had again."""
    model = SoftmaxReLUTransformer(seeds=[3, 8], d_X=3, d_Y=2, width=20, xi=0.5, dtype=torch.float64)
    stream = RandomStream.from_seeds([3, 8], "initial weights")
    assert torch.equal(model.W_O.detach(), 0.5 * stream.at(0).normal(20, 5))
    assert torch.equal(model.a > 0, stream.at(1).uniform(20) < 0.5)


def test_every_run_has_its_own_scales() -> None:
    configs = [SoftmaxReLUConfig(d_X=4, d_Y=2, width=50, delta=delta, xi=xi) for delta, xi in ((0.1, 0.01), (0.2, 0.5))]
    model = SoftmaxReLUTransformer(seeds=[5, 6], configs=configs, dtype=torch.float64)
    assert model.W_V[:, 0, 0].tolist() == [0.1, 0.2]
    assert model.W_Q[:, 3, 3].tolist() == [0.1, 0.2]
    for run, config in enumerate(configs):
        alone = SoftmaxReLUTransformer(seeds=[5 + run], configs=[config], dtype=torch.float64)
        for name, weight in alone.state_dict().items():
            assert torch.equal(weight[0], model.state_dict()[name][run]), name
    zero = SoftmaxReLUTransformer(d_X=4, d_Y=2, xi=0.0)
    assert not zero.W_O.any()


def test_seeds_decide_and_precision_only_rounds() -> None:
    double = SoftmaxReLUTransformer(seeds=[3], d_X=4, d_Y=2, dtype=torch.float64)
    single = SoftmaxReLUTransformer(seeds=[3], d_X=4, d_Y=2)
    other = SoftmaxReLUTransformer(seeds=[4], d_X=4, d_Y=2)
    assert torch.equal(double.W_O.float(), single.W_O)
    assert not torch.equal(single.W_O, other.W_O)
    assert SoftmaxReLUTransformer(seeds=3).seeds == (0, 1, 2)


def test_runs_are_copies_in_the_given_order() -> None:
    model = SoftmaxReLUTransformer(seeds=[7, 8, 9], d_X=4, d_Y=2, width=5)
    with torch.no_grad():
        model.W_O.add_(1)
    chosen = model.runs([2, 0])
    assert chosen.seeds == (9, 7)
    assert chosen.run_count == 2
    for name, weight in model.state_dict().items():
        assert torch.equal(chosen.state_dict()[name], weight[[2, 0]]), name
        assert torch.equal(model.run(1).state_dict()[name], weight[[1]]), name
    with torch.no_grad():
        chosen.W_O.zero_()
    assert bool((model.W_O != 0).all())


def test_untrained_goes_back_to_the_initial_values() -> None:
    configs = [SoftmaxReLUConfig(d_X=4, d_Y=2, width=5, delta=delta) for delta in (0.1, 0.15)]
    model = SoftmaxReLUTransformer(seeds=[7, 8], configs=configs, dtype=torch.float64)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(-3)
    again = model.untrained().state_dict()
    assert all(torch.equal(again[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": [1, 2], "configs": [SoftmaxReLUConfig()]}, "configs"),
        ({"seeds": 2, "configs": [SoftmaxReLUConfig(), SoftmaxReLUConfig(width=3)]}, "configs"),
        ({"configs": [SoftmaxReLUConfig()], "width": 3}, "settings"),
        ({"width": 0}, "width"),
        ({"d_Y": 0}, "d_Y"),
        ({"m_a": 0}, "m_a"),
        ({"xi": -0.1}, "xi"),
        ({"xi": math.inf}, "xi"),
        ({"delta": math.nan}, "delta"),
        ({"delta": math.inf}, "delta"),
        ({"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_bad_settings_are_refused_by_name(arguments: dict[str, object], named: str) -> None:
    with pytest.raises((BadRequest, ValidationError), match=named):
        SoftmaxReLUTransformer(**arguments)
