"""Li 2024's formulas: exponents by finite ratios, so that only the stated growth is tested, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.papers.li2024 import theory as li2024
from iclscope.tasks.patterns import task_sets

etas, alphas, betas, sizes, factors = (
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    st.floats(1, 10),
    st.integers(3, 500),
    st.floats(1.1, 10),
)


@given(eta=etas, alpha=alphas, beta=betas, M1=sizes, factor=factors)
def test_steps_grow_as_theorem_3_3_says(eta: float, alpha: float, beta: float, M1: int, factor: float) -> None:
    steps = li2024.training_steps(eta=eta, alpha=alpha, beta=beta, M1=M1)
    faster = li2024.training_steps(eta=eta * factor, alpha=alpha, beta=beta, M1=M1)
    fuller = li2024.training_steps(eta=eta, alpha=alpha * factor, beta=beta, M1=M1)
    louder = li2024.training_steps(eta=eta, alpha=alpha, beta=beta * factor, M1=M1)
    larger = li2024.training_steps(eta=eta, alpha=alpha, beta=beta, M1=3 * M1)
    assert faster / steps == pytest.approx(1 / factor)
    assert fuller / steps == pytest.approx(factor ** (-2 / 3))
    assert louder / steps == pytest.approx(factor ** (-2 / 3))
    assert larger / steps == pytest.approx(3 * math.sqrt(math.log(3 * M1) / math.log(M1)))


@given(alpha=alphas, beta=betas, M1=sizes, factor=factors)
def test_training_length(alpha: float, beta: float, M1: int, factor: float) -> None:
    length = li2024.training_length(alpha=alpha, beta=beta, M1=M1)
    assert length >= math.log(M1) / alpha * (1 - 1e-12)
    assert length >= 1 / (beta**2 * alpha) * (1 - 1e-12)
    assert length == pytest.approx(math.log(M1) / alpha) or length == pytest.approx(1 / (beta**2 * alpha))
    assert li2024.training_length(alpha=alpha * factor, beta=beta, M1=M1) / length == pytest.approx(1 / factor)
    # Where the patterns are faint, the second bound rules.
    assert li2024.training_length(alpha=alpha, beta=0.01, M1=3) == pytest.approx(1e4 / alpha)


@given(alpha=alphas, M1=sizes, epsilon=st.floats(0.001, 0.999))
def test_the_other_requirements(alpha: float, M1: int, epsilon: float) -> None:
    assert li2024.testing_length(alpha_test=alpha) * alpha == pytest.approx(1)
    assert li2024.width(M1=M1) == pytest.approx(M1 * M1 * math.log(M1))
    assert li2024.batch_size(epsilon=epsilon, M1=M1) == pytest.approx(max(1 / epsilon**2, M1) * math.log(M1))
    assert li2024.smallest_task_share(M1=M1) * M1 * (M1 - 1) == pytest.approx(M1)  # the cycle has M1 tasks


@given(epsilon=st.floats(0.001, 0.5), M1=sizes, R=st.floats(0, 1))
def test_theorem_3_7(epsilon: float, M1: int, R: float) -> None:
    assert li2024.pruning_bound_small(epsilon=epsilon, M1=M1) - epsilon == pytest.approx(1 / math.sqrt(M1))
    assert li2024.pruning_bound_large(R=R) == pytest.approx(R)
    assert li2024.small_neuron_norm(M2=4 * M1) / li2024.small_neuron_norm(M2=M1) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("S1", "inside", "expected"), [(1.0, True, True), (1.3, True, True), (0.999, True, False), (1.3, False, False)]
)
def test_theorem_3_4(S1: float, inside: bool, expected: bool) -> None:
    assert li2024.ood_generalizes(S1=S1, irrelevant_in_span=inside) is expected


@given(eta=etas, alpha=alphas, alpha_test=alphas, beta=betas, M1=sizes, epsilon=st.floats(0.01, 0.99))
def test_requirements_gather_the_formulas(
    eta: float, alpha: float, alpha_test: float, beta: float, M1: int, epsilon: float
) -> None:
    found = li2024.requirements(alpha=alpha, alpha_test=alpha_test, beta=beta, M1=M1, eta=eta, epsilon=epsilon)
    assert found.steps == li2024.training_steps(eta=eta, alpha=alpha, beta=beta, M1=M1)
    assert found.training_length == li2024.training_length(alpha=alpha, beta=beta, M1=M1)
    assert found.testing_length == li2024.testing_length(alpha_test=alpha_test)
    assert found.width == li2024.width(M1=M1)
    assert found.batch_size == li2024.batch_size(epsilon=epsilon, M1=M1)
    assert found.samples == pytest.approx(found.batch_size * found.steps)
    assert found.smallest_task_share == li2024.smallest_task_share(M1=M1)


def told(count: Callable[[], object]) -> str:
    """What a call gives, or where its refusal says the nearest share is."""
    try:
        return str(count())
    except BadRequest as refusal:
        return "refused" + str(refusal).partition("nearest is")[2]


@given(M1=st.integers(3, 12), share=st.floats(-0.2, 1.2), k=st.integers(1, 11))
def test_a_share_is_one_that_the_task_has_too(M1: int, share: float, k: int) -> None:
    for asked in (share, k / (M1 - 1)):  # of which most are shares that no set has, and that one has
        ours = told(lambda asked=asked: li2024.tasks_of_share(M1=M1, share=asked))  # type: ignore[misc]
        assert ours == told(lambda asked=asked: len(task_sets.tasks_of_share(M1, asked)))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        *[({"alpha": value}, "alpha") for value in (0.0, -0.1, 1.1, math.nan, math.inf)],
        *[({"alpha_test": value}, "alpha-test") for value in (0.0, 1.1, math.nan)],
        *[({"beta": value}, "beta") for value in (0.5, math.nan, math.inf)],
        *[({"M1": value}, "M1") for value in (2, 0, -3)],
        *[({"eta": value}, "eta") for value in (0.0, 1.5, math.nan)],
        *[({"epsilon": value}, "epsilon") for value in (0.0, 1.0, math.nan)],
    ],
)
def test_settings_outside_the_theorems_are_refused(settings: dict[str, float], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        li2024.requirements(**settings)
