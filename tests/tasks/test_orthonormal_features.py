"""Prompts of orthonormal features: what is drawn, what is listed, and that every way of averaging is the same mean."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.models import SoftmaxAttention
from iclscope.tasks import CountPrompts, FunctionPrompts, OrthonormalFeatures, stack_tasks, task_from_settings
from iclscope.tasks.prompts import PromptSize
from iclscope.training.losses import mean_loss

SKEWED = OrthonormalFeatures(K=3, d_X=5, length=6, probabilities=(0.5, 0.3, 0.2))


def drawn(task: OrthonormalFeatures, batch: int, seeds: tuple[int, ...] = (0, 1), **more: Any) -> Any:
    return task.sampler(seeds, dtype=torch.float64).prompts(batch, **{"purpose": "test", **more})


def some_model(runs: int = 2, d_X: int = 5) -> SoftmaxAttention:
    model = SoftmaxAttention(seeds=runs, d_X=d_X, dtype=torch.float64)
    model.Q.data = torch.randn(runs, d_X, d_X, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return model


def loss(model: SoftmaxAttention, prompts: Any) -> torch.Tensor:
    return mean_loss((model.predict(prompts).output - prompts.labels).square(), prompts)


@given(st.integers(2, 6), st.integers(0, 3), st.integers(0, 1000))
def test_features_are_orthonormal_and_the_seeds_own(K: int, more: int, seed: int) -> None:
    task = OrthonormalFeatures(K=K, d_X=K + more, length=4)
    V = task.sampler([seed, seed + 1], dtype=torch.float64).features
    assert torch.allclose(V @ V.mT, torch.eye(K, dtype=torch.float64).expand(2, K, K), atol=1e-12)
    assert not torch.allclose(V[0], V[1])
    # Up to rounding: LAPACK's may depend on where a matrix lies in memory.
    assert torch.allclose(task.sampler([seed + 1], dtype=torch.float64).features[0], V[1], atol=1e-14)


def test_sampled_prompts_are_features_and_what_one_function_says_of_them() -> None:
    prompts = drawn(SKEWED, 50)
    assert isinstance(prompts, FunctionPrompts)
    assert prompts.inputs.shape == (2, 50, 7, 5)
    V = SKEWED.sampler((0, 1), dtype=torch.float64).features
    scores = torch.einsum("rbpd,rkd->rbpk", prompts.inputs, V)
    which = scores.argmax(dim=3)
    assert torch.allclose(scores, torch.nn.functional.one_hot(which, 3).double(), atol=1e-12)
    # Equal features have equal answers within a prompt, and the query's label is what f says of it.
    same = which[..., :, None] == which[..., None, :]
    apart = (prompts.answers[..., :, None] - prompts.answers[..., None, :]).abs()
    assert bool((apart[same] < 1e-12).all())
    assert bool((apart[~same] > 1e-9).all())
    assert torch.equal(prompts.labels, prompts.answers[..., -1])


def test_shares_and_answers_have_their_moments() -> None:
    prompts = drawn(SKEWED, 20_000, seeds=(3,))
    V = SKEWED.sampler((3,), dtype=torch.float64).features[0]
    which = (prompts.inputs[0] @ V.T).argmax(dim=2)
    for points in (which[:, :-1].flatten(), which[:, -1]):
        shares = torch.bincount(points, minlength=3) / len(points)
        assert torch.allclose(shares, torch.tensor(SKEWED.feature_probabilities), atol=4 / math.sqrt(len(points)))
    assert prompts.labels.square().mean() == pytest.approx(SKEWED.scale, abs=0.05)
    assert abs(float(prompts.labels.mean())) < 0.04


def test_counts_are_multinomial() -> None:
    prompts = drawn(SKEWED.replace(expectation="counts"), 20_000, seeds=(3,))
    assert isinstance(prompts, CountPrompts)
    counts = prompts.counts[0]
    assert bool((counts.sum(dim=1) == 6).all())
    p = torch.tensor(SKEWED.feature_probabilities, dtype=torch.float64)
    assert torch.allclose(counts.mean(dim=0), 6 * p, atol=0.04)
    assert torch.allclose(counts.T.cov(), 6 * (torch.diag(p) - p[:, None] * p), atol=0.06)


def test_all_counts_are_listed_once_with_their_probabilities() -> None:
    prompts = drawn(SKEWED.replace(expectation="exact"), 1)
    counts = prompts.counts[0]
    assert len(counts) == math.comb(8, 2) == len({tuple(row.tolist()) for row in counts})
    by_query = prompts.weights[0].reshape(len(counts), 3)
    assert torch.allclose(by_query.sum(dim=0), torch.tensor(SKEWED.feature_probabilities, dtype=torch.float64))
    drawn_counts = drawn(SKEWED.replace(expectation="counts"), 20_000, seeds=(0,)).counts[0]
    often = Counter(tuple(row.tolist()) for row in drawn_counts)
    for row, chance in zip(counts, by_query.sum(dim=1), strict=True):
        spread = math.sqrt(float(chance) / 20_000)
        assert often[tuple(row.tolist())] / 20_000 == pytest.approx(float(chance), abs=5 * spread)


def test_every_expectation_is_the_same_mean() -> None:
    model = some_model()
    exact = loss(model, drawn(SKEWED.replace(expectation="exact"), 1))
    counts = loss(model, drawn(SKEWED.replace(expectation="counts"), 20_000))
    sampled = loss(model, drawn(SKEWED, 40_000))
    assert torch.allclose(counts, exact, rtol=0.01)
    assert torch.allclose(sampled, exact, rtol=0.04)


def test_labels_and_answers_are_those_of_functions_with_the_moments_of_normal_ones() -> None:
    prompts = drawn(SKEWED.replace(expectation="counts"), 4)
    examples = prompts.written_out()
    assert examples.inputs.shape == (2, 12, 7, 5)
    # The answers are ⟨√K v_m, x⟩ for every m, and Σ_m (√K v_m)(√K v_m)ᵀ/K is the identity on the span of the features.
    V = prompts.features
    assert torch.allclose(examples.answers, torch.einsum("rbpd,rmd->rbpm", examples.inputs, V) * 3**0.5, atol=1e-12)
    assert torch.allclose(prompts.labels, torch.einsum("rbd,rmd->rbm", examples.query(), V) * 3**0.5, atol=1e-12)
    assert torch.allclose(prompts.labels.square().mean(dim=2), torch.ones(2, 12, dtype=torch.float64))


def test_a_fixed_query() -> None:
    fixed = SKEWED.replace(query_feature=2)
    V = fixed.sampler((0, 1), dtype=torch.float64).features
    assert torch.allclose(drawn(fixed, 5).inputs[:, :, -1], V[:, None, 2].expand(2, 5, 5))
    prompts = drawn(fixed.replace(expectation="counts"), 5)
    assert prompts.queries.tolist() == [2]
    assert torch.allclose(prompts.weights.sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert prompts.labels.shape == (2, 5, 3)


@pytest.mark.parametrize("expectation", ["sampled", "counts", "exact"])
def test_batches_are_pure_functions_of_seed_purpose_and_step(expectation: str) -> None:
    task = SKEWED.replace(expectation=expectation)
    sampler = task.sampler((4, 7), dtype=torch.float64)
    sampler.prompts(3, purpose="training", step=9)
    one = sampler.runs([1]).prompts(8, purpose="training", step=3)
    again = drawn(task, 8, seeds=(7, 1), purpose="training", step=3)
    for name in ("inputs", "answers") if expectation == "sampled" else ("counts", "features", "weights"):
        assert torch.allclose(getattr(one, name)[0], getattr(again, name)[0], atol=1e-14)
    if expectation != "exact":
        name = "inputs" if expectation == "sampled" else "counts"
        for other in ({"purpose": "evaluation", "step": 3}, {"purpose": "training", "step": 4}):
            assert not torch.equal(getattr(drawn(task, 8, seeds=(7,), **other), name), getattr(one, name))


def test_shorter_prompts_of_a_schedule() -> None:
    assert drawn(SKEWED, 4, size=PromptSize(2)).inputs.shape[2] == 3
    counts = drawn(SKEWED.replace(expectation="counts"), 4, size=PromptSize(2)).counts
    assert bool((counts.sum(dim=2) == 2).all())
    assert len(drawn(SKEWED.replace(expectation="exact"), 4, size=PromptSize(2)).counts[0]) == 6
    for size, word in ((PromptSize(7), "length"), (PromptSize(0), "length"), (PromptSize(3, 2), "dimensions")):
        with pytest.raises(BadRequest, match=word):
            drawn(SKEWED, 4, size=size)


def test_a_dominant_feature() -> None:
    task = OrthonormalFeatures(K=5, d_X=5, dominant=0.6)
    assert task.feature_probabilities == pytest.approx((0.6, 0.1, 0.1, 0.1, 0.1))
    assert OrthonormalFeatures(K=5, d_X=5).feature_probabilities == pytest.approx((0.2,) * 5)
    assert task.summary()["p"] == "p₁ = 0.6, others equal"


@pytest.mark.parametrize("task", [SKEWED, SKEWED.replace(probabilities="balanced", dominant=0.5, expectation="counts")])
def test_settings_survive_json(task: OrthonormalFeatures) -> None:
    assert task_from_settings(task.model_dump(mode="json")) == task


def test_tasks_of_other_settings_are_not_stacked() -> None:
    with pytest.raises(BadRequest, match="equal tasks"):
        stack_tasks([SKEWED, SKEWED.replace(length=7)], [0, 1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"K": 6, "d_X": 5}, ("K", "6", "d_X = 5")),
        ({"K": 1, "d_X": 5}, ("K", "1")),
        ({"length": 0}, ("length", "0")),
        ({"probabilities": (0.5, 0.6, 0.2)}, ("sum of probabilities", "1.3", "1")),
        ({"probabilities": (0.5, 0.5)}, ("probabilities", "one per feature, 3")),
        ({"probabilities": (0.5, 0.5, 0.0)}, ("probabilities", "positive")),
        ({"probabilities": (0.5, 0.5, math.nan)}, ("probabilities", "positive")),
        ({"dominant": 0.5}, ("dominant", "0.5", "None")),
        ({"probabilities": "balanced", "dominant": 0.3}, ("dominant", "0.3", "0.333")),
        ({"probabilities": "balanced", "dominant": 1.0}, ("dominant", "1.0", "below 1")),
        ({"probabilities": "balanced", "dominant": math.inf}, ("dominant", "inf", "finite")),
        ({"query_feature": 3}, ("query_feature", "3", "0 to 2")),
        ({"expectation": "exact", "length": 400}, ("feature counts", str(math.comb(402, 2)), "20000")),
        ({"expectation": "guessed"}, ("expectation", "guessed")),
        ({"banana": 1}, ("banana",)),
    ],
)
def test_refusals(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        OrthonormalFeatures(**{**SKEWED.model_dump(), **settings})
    assert all(says(str(refusal.value), word) for word in words), refusal.value
    assert "\n" not in str(refusal.value)
