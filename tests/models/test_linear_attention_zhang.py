"""Linear attention as in Zhang 2024, E + W_PV E (Eᵀ W_KQ E)/N with the query in E, and the start that it analyses."""

from __future__ import annotations

import pytest
import torch

from iclscope.core.errors import BadRequest
from iclscope.models import LinearAttention, LinearAttentionConfig
from iclscope.papers.zhang2024 import theory as zhang2024
from iclscope.tasks import LinearRegression


def model(runs: int = 3, d: int = 3, **settings: object) -> LinearAttention:
    """In the paper's form, in double precision."""
    return LinearAttention(seeds=runs, d_X=d, query_in_context=True, dtype=torch.float64, **settings)


def plain(W_KQ: torch.Tensor, W_PV: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> float:
    """One prompt, by the paper's formula: columns (x_i, y_i), the query's y zero; N counts the examples alone."""
    E = torch.cat([x, torch.cat([y[:-1], y.new_zeros(1)])[:, None]], dim=1).T
    N = len(x) - 1
    return float((E + W_PV @ E @ (E.T @ W_KQ @ E) / N)[-1, -1].detach())


def test_predictions_are_the_formula() -> None:
    ours = model(initial="normal", initial_scale=1.0)
    prompts = LinearRegression(d_X=3, length=4, inputs="gaussian", noise=1.0).sampler(range(3), dtype=torch.float64)
    batch = prompts.prompts(5, purpose="test")
    found = ours.predict(batch)
    for run in range(3):
        for b in range(5):
            expected = plain(ours.W_KQ[run, 0], ours.W_PV[run, 0], batch.inputs[run, b], batch.answers[run, b])
            assert float(found.output[run, b].detach()) == pytest.approx(expected)
    # The query has a score, too.
    assert bool((found.attention[:, :, -1] != 0).all())


def test_the_query_counts_only_where_it_should() -> None:
    """Normal weights see the query in E; the block weights of the theory cannot, since its y is zero."""
    batch = LinearRegression(d_X=3, length=4, inputs="gaussian").sampler([0], dtype=torch.float64)
    prompts = batch.prompts(5, purpose="test")
    for initial, equal in (("normal", False), ("zhang", True)):
        settings = {"d_X": 3, "initial": initial, "initial_scale": 1.0}
        inside, outside = (
            LinearAttention(seeds=1, query_in_context=seen, dtype=torch.float64, **settings).predict(prompts).output
            for seen in (True, False)
        )
        assert torch.allclose(inside, outside) is equal


@pytest.mark.parametrize(("d", "scale"), [(1, 0.1), (3, 0.5), (6, 2.0)])
def test_the_start(d: int, scale: float) -> None:
    """W_KQ = s·blockdiag(TTᵀ, 0) with ‖TTᵀ‖_F = 1, W_PV = s·diag(0, 1): positive, balanced, and another T per seed."""
    ours = model(4, d, initial="zhang", initial_scale=scale)
    W_KQ, W_PV = ours.W_KQ.detach()[:, 0], ours.W_PV.detach()[:, 0]
    U = W_KQ[:, :d, :d]
    assert torch.equal(W_KQ[:, d], torch.zeros(4, d + 1, dtype=torch.float64))
    assert torch.equal(W_KQ[:, :, d], torch.zeros(4, d + 1, dtype=torch.float64))
    expected = torch.zeros(4, d + 1, d + 1, dtype=torch.float64)
    expected[:, d, d] = scale
    assert torch.equal(W_PV, expected)
    assert torch.allclose(U, U.transpose(1, 2))
    assert torch.linalg.eigvalsh(U).min() > -1e-12
    assert torch.linalg.matrix_norm(U) == pytest.approx(torch.full((4,), scale, dtype=torch.float64))
    if d > 1:
        assert len({round(float(one[0, 0]), 9) for one in U}) == 4
    assert torch.equal(ours.runs([2]).untrained().W_KQ[0], ours.W_KQ[2]), "a function of the seed alone"


def test_the_limit_predicts_as_the_paper_says() -> None:
    """ŷ = x_qᵀ Γ⁻¹ (1/M) Σ y_i x_i."""
    Lambda = ((1.5, 0.4), (0.4, 0.8))
    end = zhang2024.limit(Lambda, 10)
    W_KQ, W_PV = (torch.from_numpy(weight)[None, None] for weight in (end.W_KQ, end.W_PV))
    ours = model(1, 2).with_weights(W_KQ, W_PV)
    task = LinearRegression(d_X=2, length=7, inputs="gaussian", covariance=Lambda, noise=0.3)
    batch = task.sampler([0], dtype=torch.float64).prompts(20, purpose="test")
    product = torch.from_numpy(zhang2024.predictor(Lambda, 10))
    mean = (batch.answers[0, :, :-1, None] * batch.inputs[0, :, :-1]).mean(dim=1)
    expected = torch.einsum("bi,ij,bj->b", batch.inputs[0, :, -1], product, mean)
    assert torch.allclose(ours.predict(batch).output[0], expected)


def test_the_start_is_of_one_layer() -> None:
    with pytest.raises(BadRequest, match=r"layers: expected .*, got 2"):
        LinearAttentionConfig(layers=2, initial="zhang")
    for scale in (0.0, -1.0, float("inf")):
        with pytest.raises(BadRequest, match="initial_scale"):
            LinearAttentionConfig(initial="zhang", initial_scale=scale)
