"""Sizes of prompts from step to step: the published curriculum, and lengths drawn at every step."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.tasks import FunctionClass, PatternClassification
from iclscope.tasks.prompts import PromptSize
from iclscope.training.gradients import Sampler
from iclscope.training.schedules import Curriculum, LengthPerStep, ScheduledSampler, check_schedule

PATTERNS = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=6)


def test_the_published_curriculum_of_linear_functions() -> None:
    """Garg 2022, Appendix A.2: 5 → 20 dimensions and 11 → 41 points, one and two more every 2,000 steps."""
    curriculum = Curriculum()
    dimensions, points = 5, 11
    for step in range(0, 50_000, 100):
        if step and step % 2000 == 0:
            dimensions, points = min(20, dimensions + 1), min(41, points + 2)
        size = curriculum.size(step, dimensions=20, length=40)
        assert (size.dimensions, size.length + 1) == (dimensions, points), step
    assert (dimensions, points) == (20, 41)
    assert curriculum.size(29_999, dimensions=20, length=40) == PromptSize(38, 19)
    assert curriculum.size(30_000, dimensions=20, length=40) == PromptSize(40, 20)


def test_the_published_curriculum_of_networks_and_trees() -> None:
    """26 → 101 points, five more every 2,000 steps."""
    curriculum = Curriculum(length=25, length_added=5)
    sizes = [curriculum.size(step, dimensions=20, length=100) for step in range(0, 40_000, 2000)]
    assert [size.length + 1 for size in sizes][:17] == [*range(26, 101, 5), 101, 101]
    assert [size.dimensions for size in sizes][:17] == [*range(5, 21), 20]


@pytest.mark.parametrize("function", ["linear", "decision_tree"])
def test_training_prompts_follow_the_curriculum(function: Any) -> None:
    task = FunctionClass(function=function, d_X=6, length=7)
    curriculum = Curriculum(dimensions=2, length=3, every=5)
    plain = task.sampler([0, 1], dtype=torch.float64)
    sampler = ScheduledSampler(plain, curriculum, dimensions=6, length=7)
    assert isinstance(sampler, Sampler)
    for step, length, dimensions in ((0, 3, 2), (4, 3, 2), (5, 5, 3), (14, 7, 4), (1000, 7, 6)):
        prompts = sampler.prompts(4, purpose="training", step=step)
        assert prompts.inputs.shape == (2, 4, length + 1, 6)
        assert not prompts.inputs[..., dimensions:].any()
        assert bool(prompts.inputs[..., :dimensions].all())
        same = plain.prompts(4, purpose="training", step=step, size=PromptSize(length, dimensions))
        assert torch.equal(prompts.values, same.values)
        one = sampler.runs([1]).prompts(4, purpose="training", step=step)
        assert torch.equal(one.inputs[0], prompts.inputs[1])
    # Only training follows it.
    assert torch.equal(sampler.prompts(4, purpose="evaluation").inputs, plain.prompts(4, purpose="evaluation").inputs)
    other = sampler.prompts(4, purpose="training", size=PromptSize(1))
    assert other.inputs.shape == (2, 4, 2, 6)


@given(shortest=st.integers(0, 6), more=st.integers(0, 6), step=st.integers(0, 10**6))
def test_a_length_is_drawn_between_both_ends_and_by_the_step_alone(shortest: int, more: int, step: int) -> None:
    schedule, length = LengthPerStep(shortest=shortest), shortest + more
    size = schedule.size(step, dimensions=5, length=length)
    assert shortest <= size.length <= length
    assert size.dimensions is None
    torch.manual_seed(step)
    assert schedule.size(step, dimensions=5, length=length) == size


def test_every_length_is_as_likely() -> None:
    lengths = [LengthPerStep(shortest=2).size(step, dimensions=5, length=6).length for step in range(1000)]
    assert set(lengths) == {2, 3, 4, 5, 6}
    for length in range(2, 7):
        assert abs(lengths.count(length) - 200) < 5 * math.sqrt(1000 * 0.2 * 0.8)
    repeats = sum(a == b for a, b in pairwise(lengths))
    assert abs(repeats - 200) < 5 * math.sqrt(1000 * 0.2 * 0.8)


def test_patterns_of_a_length_per_step() -> None:
    """All prompts of a batch have the length of the step, so none is padded."""
    task = PATTERNS.replace(length=(1, 6))
    sampler = ScheduledSampler(task.sampler([0, 1]), LengthPerStep(shortest=2), dimensions=5, length=6)
    seen = set()
    for step in range(30):
        prompts = sampler.prompts(3, purpose="training", step=step)
        seen.add(prompts.length)
        assert prompts.mask is None
    assert seen == {2, 3, 4, 5, 6}
    assert sampler.prompts(3, purpose="evaluation").mask is not None


@pytest.mark.parametrize(
    ("schedule", "task", "named"),
    [
        (LengthPerStep(shortest=7), PATTERNS, "shortest: expected .*6.*, got 7"),
        (LengthPerStep(shortest=7), PATTERNS.replace(length=(2, 6)), "shortest: expected .*6.*, got 7"),
        (LengthPerStep(shortest=7), FunctionClass(length=6), "shortest: expected .*6.*, got 7"),
        (Curriculum(dimensions=4), PATTERNS, "dimensions of a curriculum: expected .*d_X = 5.*, got 4"),
    ],
)
def test_a_schedule_that_does_not_fit_its_task_is_refused(schedule: Any, task: Any, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        check_schedule(schedule, task)


def test_a_schedule_that_fits_is_not() -> None:
    check_schedule(LengthPerStep(shortest=6), PATTERNS)
    check_schedule(Curriculum(dimensions=5), PATTERNS)
    check_schedule(Curriculum(), FunctionClass(d_X=3, length=2))  # cut off at the task's own
    check_schedule(Curriculum(dimensions=3), FunctionClass(d_X=3, inputs="skewed"))  # all of them from the start
    sampler = ScheduledSampler(
        PATTERNS.sampler([0]), Curriculum(dimensions=5, length=2, every=1), dimensions=5, length=6
    )
    assert [sampler.prompts(1, purpose="training", step=step).length for step in range(4)] == [2, 4, 6, 6]


@pytest.mark.parametrize(
    "settings",
    [
        {"dimensions": 0},
        {"length": -1},
        {"every": 0},
        {"dimensions_added": -1},
        {"length_added": -1},
        {"kind": "other"},
    ],
)
def test_bad_curricula_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=next(iter(settings))):
        Curriculum(**settings)
    with pytest.raises(BadRequest, match="shortest"):
        LengthPerStep(shortest=-1)
