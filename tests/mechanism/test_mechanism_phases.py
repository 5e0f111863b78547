"""Scores, attention and loss read off Q, and the rule that finds phases, on trajectories whose phases are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from iclscope.mechanism import balanced_phases, feature_scores, query_means, under_represented_phases
from iclscope.mechanism.phases import first_at_least
from iclscope.papers.huang2024 import theory as huang2024
from iclscope.tasks import OrthonormalFeatures


def test_scores_are_of_the_query_first_and_the_context_second() -> None:
    generator = torch.Generator().manual_seed(0)
    Q = torch.randn(2, 3, 5, 5, generator=generator, dtype=torch.float64)
    V = OrthonormalFeatures(K=4, d_X=5).sampler((0, 1), dtype=torch.float64).features
    found = feature_scores(Q, V)
    for run, record, query, context in ((0, 0, 1, 3), (1, 2, 3, 3), (1, 1, 0, 2)):
        wanted = V[run, context] @ Q[run, record] @ V[run, query]
        assert float(found[run, record, query, context]) == pytest.approx(float(wanted))


def test_means_over_contexts_are_those_of_the_theory() -> None:
    task = OrthonormalFeatures(K=3, d_X=3, length=4, dominant=0.5, expectation="exact")
    prompts = task.sampler((0,), dtype=torch.float64).prompts(1, purpose="test")
    chances = prompts.weights[0].reshape(-1, 3).sum(dim=1)
    # The probabilities as whole numbers of equal contexts: halves and quarters, so 256ths.
    often = (chances * 256).round().long()
    counts = prompts.counts[:, torch.arange(len(often)).repeat_interleave(often)]
    assert counts.shape[1] == 256
    scores = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = query_means(scores, counts)
    assert torch.allclose(found.attention.sum(dim=3), torch.ones(1, 2, 3, dtype=torch.float64))
    vectors = huang2024.count_vectors(3, 4)
    p = huang2024.count_probabilities(vectors, task.feature_probabilities)
    for record in range(2):
        S = scores[0, record].T.numpy()
        assert found.loss[0, record].numpy() == pytest.approx(
            huang2024.population_loss(S, task.feature_probabilities, 4)
        )
        attention = sum(chance * huang2024.attention(S, n) for chance, n in zip(p, vectors, strict=True))
        assert found.attention[0, record].T.numpy() == pytest.approx(attention)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 1, 2], 0.5),
        ([0.5, 1, 2], 0.0),
        ([0, math.nan, 1], 1.0),
        ([0, 0.4, 0.4], math.nan),
        ([math.nan] * 3, math.nan),
        ([0, 1, 0], 0.5),
    ],
)
def test_a_crossing_is_interpolated(values: Sequence[float], wanted: float) -> None:
    assert first_at_least([0, 1, 2], values, 0.5) == pytest.approx(wanted, nan_ok=True)


def flow_of(K: int, p_1: float | None, until: float, records: int = 400) -> dict[str, np.ndarray]:
    """The trajectory of a rare (or balanced) feature in long prompts, as the rule takes it."""
    p = [1 / K] * K if p_1 is None else [p_1] + [(1 - p_1) / (K - 1)] * (K - 1)
    times = np.linspace(0, until, records)
    flow = huang2024.gradient_flow(p, 1, times.tolist())
    return {
        "times": times,
        "own_score": flow.scores[1],
        "dominant_score": flow.scores[0],
        "own_attention": flow.attention[1],
        "dominant_attention": flow.attention[0],
        "loss": flow.loss,
    }


def test_two_phases_of_balanced_features() -> None:
    flow = flow_of(20, None, 500)
    found = balanced_phases(flow["times"], flow["own_attention"], flow["loss"], 0.05)
    times = huang2024.times_of_flow([1 / 20] * 20, 1, 0.05)
    assert found == pytest.approx(tuple(times), rel=2e-3)


def test_four_phases_of_rare_features() -> None:
    p = [0.5] + [0.5 / 19] * 19
    flow = flow_of(20, 0.5, 1000)
    found = under_represented_phases(**flow, epsilon=0.05)
    times = huang2024.times_of_flow(p, 1, 0.05)
    assert found[2:] == pytest.approx(tuple(times), rel=2e-3)
    assert min(found.durations()) > 50
    # At the end of the first, B_{k,1} falls as fast as A_k grows: read off the gradient itself.
    S = huang2024.gradient_flow(p, 1, [found.decrease]).scores[:, 0]
    gradient = huang2024.long_prompt_gradient(S, p, 1)
    assert gradient[0] == pytest.approx(-gradient[1], rel=0.02)
    # At the end of the second, both features have the same attention.
    attention = huang2024.gradient_flow(p, 1, [found.switching]).attention[:, 0]
    assert attention[0] == pytest.approx(attention[1], rel=0.01)


def test_balanced_features_have_no_fall() -> None:
    found = under_represented_phases(**flow_of(20, None, 500), epsilon=0.05)
    assert found.decrease == found.switching == 0
    assert min(found.durations()) == 0


def test_noise_of_single_records_does_not_move_the_marks() -> None:
    flow = flow_of(20, 0.5, 1000)
    random = np.random.default_rng(0)
    noisy = {
        name: values if name == "times" else values + random.normal(size=400) * 0.002 for name, values in flow.items()
    }
    clean, found = (under_represented_phases(**way, epsilon=0.05) for way in (flow, noisy))
    assert found == pytest.approx(tuple(clean), rel=0.15)


def test_what_is_never_reached_is_no_number() -> None:
    # B_{k,1} still leads at the end of a training this short.
    found = under_represented_phases(**flow_of(20, 0.5, 100), epsilon=0.05)
    assert all(map(math.isnan, found))
    nothing = {name: np.full(5, math.nan) for name in flow_of(3, None, 1, 5) if name != "times"}
    assert all(map(math.isnan, under_represented_phases(times=np.arange(5.0), **nothing, epsilon=0.05)))
