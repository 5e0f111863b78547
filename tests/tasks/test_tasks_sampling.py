"""How often everything is drawn, against the probabilities that the paper states."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iclscope.core.errors import BadRequest
from iclscope.tasks import PatternClassification, PatternPrompts, PatternSampler
from iclscope.tasks.patterns import all_tasks, cycle_tasks, unseen_tasks

BATCH = 4000
ONE_TASK = {"training_tasks": ((1, 4),), "check_condition": False}
SMALLEST_P = 1e-4  # a fixed seed, so this fails by chance once when the test is written, or never


def draw(batch: int = BATCH, seed: int = 0, **settings: object) -> PatternPrompts:
    return PatternClassification(**settings).sampler([seed], dtype=torch.float64).prompts(batch, purpose="test")


def p_value(observed: torch.Tensor | list[int], probabilities: list[float]) -> float:
    """χ² test of counts against probabilities; categories of probability 0 must be empty."""
    counts = torch.as_tensor(observed).double()
    expected = torch.tensor(probabilities, dtype=torch.float64) * counts.sum()
    assert not counts[expected == 0].any()
    if int((expected > 0).sum()) == 1:
        return 1.0
    return float(stats.chisquare(counts[expected > 0].numpy(), expected[expected > 0].numpy()).pvalue)


def test_the_query_has_either_pattern_with_probability_one_half() -> None:
    prompts = draw(**ONE_TASK)
    counts = torch.bincount(prompts.query_relevant.flatten(), minlength=6)
    assert p_value(counts, [0, 0.5, 0, 0, 0.5, 0]) > SMALLEST_P
    assert torch.equal(prompts.labels, torch.where(prompts.query_relevant == 1, 1.0, -1.0).double())


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("length", [10, (4, 12)])
def test_context_patterns_have_the_stated_probabilities(alpha: float, length: int | tuple[int, int]) -> None:
    prompts = draw(alpha=alpha, length=length, **ONE_TASK)
    other = (1 - alpha) / 4
    probabilities = [other, alpha / 2, other, other, alpha / 2, other]
    exists = prompts.mask if prompts.mask is not None else torch.ones_like(prompts.relevant, dtype=torch.bool)
    counts = torch.bincount(prompts.relevant[exists], minlength=6)
    assert p_value(counts, probabilities) > SMALLEST_P
    # Whatever the query is: the columns do not follow it.
    for pattern in (1, 4):
        of_query = exists & (prompts.query_relevant == pattern)[..., None]
        assert p_value(torch.bincount(prompts.relevant[of_query], minlength=6), probabilities) > SMALLEST_P


def test_columns_are_independent_of_each_other() -> None:
    prompts = draw(alpha=0.6, length=5, **ONE_TASK)
    for s, t in ((0, 1), (1, 4), (2, 3)):
        pairs = torch.zeros(6, 6)
        pairs.index_put_((prompts.relevant[0, :, s], prompts.relevant[0, :, t]), torch.ones(BATCH), accumulate=True)
        assert stats.chi2_contingency(pairs.numpy()).pvalue > SMALLEST_P
    number = (prompts.relevant == 1).sum(dim=2).flatten()
    expected = [math.comb(5, k) * 0.3**k * 0.7 ** (5 - k) for k in range(6)]
    assert p_value(torch.bincount(number, minlength=6), expected) > SMALLEST_P


@pytest.mark.parametrize("context", ["independent", "exact"])
def test_labels_follow_the_task_and_are_fair_coins_elsewhere(context: str) -> None:
    prompts = draw(alpha=0.5, length=12, context=context, **ONE_TASK)
    assert bool((prompts.signs[prompts.relevant == 1] == 1).all())
    assert bool((prompts.signs[prompts.relevant == 4] == -1).all())
    for pattern in (0, 2, 3, 5):
        coins = prompts.signs[prompts.relevant == pattern]
        assert p_value([int((coins > 0).sum()), int((coins < 0).sum())], [0.5, 0.5]) > SMALLEST_P
        of_query = (prompts.relevant == pattern) & (prompts.labels > 0)[..., None]
        coins = prompts.signs[of_query]
        assert p_value([int((coins > 0).sum()), int((coins < 0).sum())], [0.5, 0.5]) > SMALLEST_P


@pytest.mark.parametrize("M1", [3, 4, 7])
@pytest.mark.parametrize("context", ["independent", "exact"])
def test_other_patterns_are_never_the_tasks_own(M1: int, context: str) -> None:
    """For every task (a, b), the columns without a task pattern are uniform on the M1 − 2 others."""
    task = {"M1": M1, "M2": 2, "d_X": 9, "alpha": 0.2, "context": context, "length": 10}
    for a, b in all_tasks(M1):
        prompts = draw(batch=300, **task, training_tasks=((a, b),), check_condition=False)
        counts = torch.bincount(prompts.relevant.flatten(), minlength=M1)
        rest = [0 if j in (a, b) else int(counts[j]) for j in range(M1)]
        assert p_value(rest, [0 if j in (a, b) else 1 / (M1 - 2) for j in range(M1)]) > SMALLEST_P
        assert sum(rest) == pytest.approx(3000 * 0.8, rel=0.05)


@pytest.mark.parametrize("K", [0.5, 2.0])
def test_kappa_is_uniform_and_its_pattern_too(K: float) -> None:
    prompts = draw(batch=500, K=K, M2=7, length=20)
    for kappa, index in (
        (prompts.kappa, prompts.irrelevant),
        (prompts.query_kappa, prompts.query_irrelevant),
    ):
        values = kappa.flatten().numpy()
        assert float(abs(values).max()) <= K
        assert stats.kstest(values, "uniform", args=(-K, 2 * K)).pvalue > SMALLEST_P
        counts = torch.bincount(index.flatten() - 6, minlength=7)
        assert p_value(counts, [1 / 7] * 7) > SMALLEST_P
    # κ does not follow the pattern, though both come from one number.
    for pattern in range(7):
        values = prompts.kappa[prompts.irrelevant == 6 + pattern].numpy()
        assert stats.kstest(values, "uniform", args=(-K, 2 * K)).pvalue > SMALLEST_P


def test_no_kappa_without_a_range() -> None:
    assert not draw(batch=20, K=0.0).kappa.any()


def drawn_tasks(**settings: object) -> Counter[tuple[int, int]]:
    """Tasks of prompts, read off contexts that are long enough to hold both patterns."""
    prompts = draw(alpha=1.0, length=40, **settings)
    found: Counter[tuple[int, int]] = Counter()
    for columns, signs in zip(prompts.relevant[0], prompts.signs[0], strict=True):
        positive, negative = set(columns[signs > 0].tolist()), set(columns[signs < 0].tolist())
        assert len(positive) == len(negative) == 1
        found[(positive.pop(), negative.pop())] += 1
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, cycle_tasks(6)),
        ({"tasks": "all"}, all_tasks(6)),
        ({"tasks": "unseen"}, unseen_tasks(cycle_tasks(6), 6)),
        ({"training_tasks": "all"}, all_tasks(6)),
        ({"training_tasks": 0.4}, tuple((a, (a + k) % 6) for k in (1, 2) for a in range(6))),
    ],
)
def test_tasks_are_drawn_uniformly_from_their_set(
    settings: dict[str, object], expected: tuple[tuple[int, int], ...]
) -> None:
    found = drawn_tasks(**settings)
    assert set(found) == set(expected)
    assert p_value([found[task] for task in expected], [1 / len(expected)] * len(expected)) > SMALLEST_P


def test_runs_with_fewer_tasks_draw_uniformly_beside_runs_with_more() -> None:
    both = [PatternClassification(alpha=1.0, training_tasks=tasks) for tasks in ("cycle", "all")]
    prompts = PatternSampler(both, [0, 1]).prompts(BATCH, purpose="test")
    for run in range(2):
        counts = torch.bincount(prompts.query_relevant[run], minlength=6)
        assert p_value(counts, [1 / 6] * 6) > SMALLEST_P
    # In the cycle the query's pattern decides the other one, given the label: (a, a+1).
    for columns, query, label in zip(prompts.relevant[0], prompts.query_relevant[0], prompts.labels[0], strict=True):
        partner = (int(query) + int(label)) % 6
        assert set(columns.tolist()) <= {int(query), partner}


@given(
    alpha=st.integers(0, 20).map(lambda k: k / 20),
    length=st.integers(1, 25) | st.sampled_from([(1, 9), (4, 20)]),
    M1=st.integers(3, 6),
    seed=st.integers(0, 1000),
)
def test_exact_contexts_hold_exactly_the_stated_number(
    alpha: float, length: int | tuple[int, int], M1: int, seed: int
) -> None:
    """⌈α'l/2⌉ columns with the query's pattern, as many (or what is left) with the task's other one."""
    prompts = draw(
        batch=20, seed=seed, M1=M1, M2=2, alpha=alpha, length=length, context="exact",
        training_tasks=((0, 1),), check_condition=False,
    )  # fmt: skip
    exists = prompts.mask if prompts.mask is not None else torch.ones_like(prompts.relevant, dtype=torch.bool)
    for columns, there, query in zip(prompts.relevant[0], exists[0], prompts.query_relevant[0], strict=True):
        present = columns[there].tolist()
        expected = reference.exact_share(alpha, len(present))
        assert present.count(int(query)) == expected
        assert present.count(1 - int(query)) == min(expected, len(present) - expected)


def test_exact_contexts_put_the_querys_pattern_anywhere() -> None:
    prompts = draw(context="exact", length=10, alpha=0.6)
    where = prompts.same_pattern.sum(dim=(0, 1))
    assert int(where.sum()) == BATCH * 3
    # Three of ten places without replacement: variance p(1−p) per place and prompt.
    assert bool(((where - BATCH * 0.3).abs() < 5 * math.sqrt(BATCH * 0.3 * 0.7)).all())


def test_lengths_are_uniform() -> None:
    prompts = draw(length=(3, 8))
    assert prompts.mask is not None
    lengths = prompts.mask.sum(dim=2).flatten()
    assert p_value(torch.bincount(lengths, minlength=9), [0, 0, 0, *[1 / 6] * 6]) > SMALLEST_P
    # What exists comes first.
    first = torch.arange(8) < lengths[:, None]
    assert torch.equal(prompts.mask[0], first)
    for s in range(3):
        of_length = torch.bincount(prompts.query_relevant[0, lengths == 3 + s], minlength=6)
        assert p_value(of_length, [1 / 6] * 6) > SMALLEST_P


def test_a_derived_sampler_has_streams_of_its_own() -> None:
    sampler = PatternClassification().sampler([0, 1])
    one = sampler.stream_of("flips", purpose="test", step=3).uniform(4)
    assert torch.equal(one, sampler.stream_of("flips", purpose="test", step=3).uniform(4))
    assert torch.equal(one[1:], sampler.runs([1]).stream_of("flips", purpose="test", step=3).uniform(4))
    others = [("flops", "test", 3), ("flips", "training", 3), ("flips", "test", 4)]
    for what, purpose, step in others:
        assert not torch.equal(one, sampler.stream_of(what, purpose=purpose, step=step).uniform(4))
    with pytest.raises(BadRequest, match="what: expected another word"):
        sampler.stream_of("prompts", purpose="test", step=0)
