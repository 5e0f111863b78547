"""Prompts of functions: pure functions of (seed, purpose, step), scales, noise, curricula, refusals."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.tasks import (
    FunctionClass,
    FunctionPrompts,
    PatternClassification,
    PromptSampler,
    stack_tasks,
    task_from_settings,
)
from iclscope.tasks.function_classes import FunctionName, InputName
from iclscope.tasks.prompts import PromptSize

NAN, INF = math.nan, math.inf
TREES = FunctionClass(function="decision_tree", d_X=4, length=3)


def task_of(function: FunctionName, inputs: InputName, **settings: Any) -> FunctionClass:
    predictions = "query" if inputs in ("orthants", "orthogonal_query", "repeated_query") else "every"
    return FunctionClass(
        function=function, inputs=inputs, **{"d_X": 5, "length": 3, "width": 4, "predictions": predictions, **settings}
    )


@pytest.mark.parametrize("inputs", get_args(InputName))
@pytest.mark.parametrize("function", get_args(FunctionName))
def test_every_name_that_is_accepted_can_be_drawn(function: FunctionName, inputs: InputName) -> None:
    task = task_of(function, inputs, noise=0.1)
    for dtype in (torch.float32, torch.float64):
        prompts = task.sampler([0, 1], dtype=dtype).prompts(3, purpose="test")
        for tensor in (prompts.inputs, prompts.answers, prompts.values, prompts.labels):
            assert tensor.dtype == dtype
            assert bool(tensor.isfinite().all())
        assert prompts.inputs.shape == (2, 3, 4, 5)
        assert prompts.labels.shape == ((2, 3, 4) if task.predictions == "every" else (2, 3))
    assert task_from_settings(task.model_dump()) == task
    assert FunctionClass.model_validate_json(task.model_dump_json()) == task


cases = st.tuples(
    st.sampled_from(get_args(FunctionName)),
    st.sampled_from(get_args(InputName)),
    st.lists(st.integers(0, 1000), min_size=2, max_size=3, unique=True),
)
Case = tuple[FunctionName, InputName, list[int]]


def sampler_of(case: Case) -> PromptSampler:
    """Made inside the test: whatever checks settings may not run while Hypothesis draws."""
    function, inputs, seeds = case
    return task_of(function, inputs, noise=0.1).sampler(seeds, dtype=torch.float64)


def assert_same(one: FunctionPrompts, other: FunctionPrompts, run: int | None = None, tolerance: float = 0) -> None:
    for name in ("inputs", "answers", "values"):
        theirs = getattr(other, name) if run is None else getattr(other, name)[[run]]
        torch.testing.assert_close(getattr(one, name), theirs, rtol=0, atol=tolerance)


@given(case=cases, step=st.integers(0, 10**6))
def test_a_batch_is_a_pure_function_of_seed_purpose_and_step(case: Case, step: int) -> None:
    """And of nothing else: PyTorch's own generator is neither read nor moved."""
    sampler = sampler_of(case)
    torch.manual_seed(step % 7)
    before = torch.get_rng_state()
    once = sampler.prompts(3, purpose="test", step=step)
    sampler.prompts(2, purpose="other")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(step + 1)
    assert_same(sampler.prompts(3, purpose="test", step=step), once)


@given(case=cases, step=st.integers(0, 10**6))
def test_prompts_do_not_depend_on_the_other_runs(case: Case, step: int) -> None:
    sampler = sampler_of(case)
    together = sampler.prompts(3, purpose="test", step=step)
    runs = together.values.shape[0]
    # LAPACK's QR factor of a stack, and sums of a batched product, may differ from one alone in the last bits.
    for run in range(runs):
        assert_same(sampler.runs([run]).prompts(3, purpose="test", step=step), together, run, tolerance=1e-12)
    backwards = sampler.runs(range(runs)[::-1]).prompts(3, purpose="test", step=step)
    torch.testing.assert_close(backwards.values, together.values.flip(0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", get_args(FunctionName))
def test_steps_purposes_and_seeds_give_other_functions(function: FunctionName) -> None:
    task = FunctionClass(function=function, d_X=5, length=30)
    sampler = task.sampler([0, 1], dtype=torch.float64)
    prompts = sampler.prompts(20, purpose="training")
    for other in (sampler.prompts(20, purpose="training", step=1), sampler.prompts(20, purpose="evaluation")):
        assert not torch.isin(prompts.inputs, other.inputs).any()
        assert not torch.equal(prompts.values, other.values)
    assert not torch.isin(prompts.inputs[0], prompts.inputs[1]).any()
    assert not torch.equal(prompts.values[0], prompts.values[1])
    assert not torch.equal(prompts.values[:, 0], prompts.values[:, 1])


def leaves(seed: int, **settings: Any) -> set[float]:
    """All values that the trees of a batch take."""
    sampler = TREES.sampler([seed], dtype=torch.float64)
    return set(sampler.prompts(50, purpose="training", **settings).values.flatten().tolist())


def test_the_decision_trees_follow_their_seeds() -> None:
    """The public code of Garg 2022 ignores the seeds of this task."""
    assert leaves(0) == leaves(0)
    assert not leaves(0) & leaves(1), "two seeds share a tree"
    assert not leaves(0) & leaves(0, step=1), "two steps share a tree"
    assert len(leaves(0)) > 50, "the prompts of a batch share a tree"
    torch.manual_seed(0)
    before = leaves(0)
    torch.manual_seed(1)
    assert leaves(0) == before


def test_scales_multiply_inputs_and_answers() -> None:
    plain = FunctionClass(d_X=5, length=6, noise=0.5)
    sampled = {
        what: task.sampler([3], dtype=torch.float64).prompts(4, purpose="test")
        for what, task in {
            "plain": plain,
            "x": plain.replace(x_scale=3.0),
            "y": plain.replace(y_scale=0.5),
            "quiet": plain.replace(noise=0.0),
        }.items()
    }
    torch.testing.assert_close(sampled["x"].inputs, 3 * sampled["plain"].inputs)
    torch.testing.assert_close(sampled["x"].values, 3 * sampled["plain"].values)
    assert torch.equal(sampled["y"].inputs, sampled["plain"].inputs)
    torch.testing.assert_close(sampled["y"].values, 0.5 * sampled["plain"].values)
    noise = {what: prompts.answers - prompts.values for what, prompts in sampled.items()}
    torch.testing.assert_close(noise["x"], noise["plain"])
    torch.testing.assert_close(noise["y"], noise["plain"])
    assert torch.equal(sampled["quiet"].answers, sampled["quiet"].values)
    assert torch.equal(sampled["quiet"].values, sampled["plain"].values)


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_noise_is_normal_of_the_given_deviation_and_on_the_shown_answers_alone(noise: float) -> None:
    task = FunctionClass(d_X=5, length=9, noise=noise)
    prompts = task.sampler([0], dtype=torch.float64).prompts(2000, purpose="test")
    errors = ((prompts.answers - prompts.values) / noise)[0]
    count = errors.numel()
    assert abs(float(errors.mean())) < 5 / math.sqrt(count)
    assert float(errors.var()) == pytest.approx(1, abs=5 * math.sqrt(2 / count))
    assert float((errors**4).mean()) == pytest.approx(3, abs=5 * math.sqrt(96 / count))
    for other in (errors.roll(1, dims=0), errors.roll(1, dims=1), prompts.values[0] / math.sqrt(5)):
        assert abs(float((errors * other).mean())) < 5 / math.sqrt(count) * float(other.std())
    assert torch.equal(prompts.labels, prompts.values)


@given(dimensions=st.integers(1, 5), length=st.integers(0, 6), step=st.integers(0, 1000))
def test_a_smaller_size_has_fewer_examples_and_zeros_behind_its_dimensions(
    dimensions: int, length: int, step: int
) -> None:
    sampler = FunctionClass(d_X=5, length=6).sampler([0, 1], dtype=torch.float64)
    size = PromptSize(length, dimensions)
    prompts = sampler.prompts(3, purpose="training", step=step, size=size)
    assert prompts.inputs.shape == (2, 3, length + 1, 5)
    assert prompts.answers.shape == prompts.labels.shape == (2, 3, length + 1)
    assert not prompts.inputs[..., dimensions:].any()
    assert bool((prompts.inputs[..., :dimensions] != 0).all())
    assert_same(sampler.prompts(3, purpose="training", step=step, size=size), prompts)


def test_a_size_without_dimensions_has_all_of_them() -> None:
    sampler = FunctionClass(d_X=5, length=6).sampler([0])
    assert_same(
        sampler.prompts(3, purpose="training", size=PromptSize(4)),
        sampler.prompts(3, purpose="training", size=PromptSize(4, 5)),
    )
    assert_same(sampler.prompts(3, purpose="training"), sampler.prompts(3, purpose="training", size=PromptSize(6)))


@pytest.mark.parametrize("function", ["sparse_linear", "decision_tree"])
def test_functions_ask_only_for_the_dimensions_of_the_curriculum(function: FunctionName) -> None:
    """Otherwise most sparse functions would be 0, and most questions of a tree be answered alike, at its start."""
    task = FunctionClass(function=function, length=40)
    prompts = task.sampler([0], dtype=torch.float64).prompts(200, purpose="training", size=PromptSize(40, 2))
    several = [len(set(prompt.tolist())) > 1 for prompt in prompts.values[0]]
    assert all(several)


@pytest.mark.parametrize(
    ("size", "named"),
    [
        (PromptSize(7), r"length.*0 to the task's, 6.*7"),
        (PromptSize(-1), "length.*-1"),
        (PromptSize(3, 6), r"dimensions.*1 to d_X = 5.*6"),
        (PromptSize(3, 0), "dimensions.*0"),
    ],
)
def test_sizes_that_the_task_does_not_have_are_refused(size: PromptSize, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        FunctionClass(d_X=5, length=6).sampler([0]).prompts(1, purpose="training", size=size)


def test_a_query_drawn_apart_needs_a_context_at_every_size() -> None:
    sampler = FunctionClass(d_X=5, length=3, inputs="repeated_query", predictions="query").sampler([0])
    with pytest.raises(BadRequest, match=r"length.*1 to the task's, 3.*0"):
        sampler.prompts(1, purpose="training", size=PromptSize(0))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"function": "cubic"}, "function.*linear"),
        ({"inputs": "uniform"}, "inputs.*gaussian"),
        ({"predictions": "none"}, "predictions"),
        ({"d_X": 0}, "d_X"),
        ({"length": -1}, "length"),
        ({"length": 2.5}, "length"),
        ({"length": (1, 5)}, "length"),
        *[({"x_scale": value}, "x_scale") for value in (0, -1, NAN, INF)],
        *[({"y_scale": value}, "y_scale") for value in (0, -1, NAN, INF)],
        *[({"noise": value}, "noise") for value in (-0.1, NAN, INF)],
        ({"sparsity": 0}, "sparsity"),
        ({"function": "sparse_linear", "sparsity": 21}, "sparsity: expected .*d_X = 20.*, got 21"),
        ({"depth": 0}, "depth"),
        ({"depth": 13}, "depth"),
        ({"width": 0}, "width"),
        *[
            ({"inputs": name}, f"predictions: expected .*query.*{name}.*, got 'every'")
            for name in ("orthants", "orthogonal_query", "repeated_query")
        ],
        ({"inputs": "repeated_query", "predictions": "query", "length": 0}, "length: expected .*at least 1.*, got 0"),
        ({"inputs": "orthogonal_query", "predictions": "query", "length": 20}, "length: expected .*d_X = 20.*, got 20"),
        ({"inputs": "half_subspace", "d_X": 1}, "d_X: expected .*at least 2.*, got 1"),
        ({"kind": "patterns"}, "kind"),
        ({"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named) as refusal:
        FunctionClass(**settings)
    assert "\n" not in str(refusal.value)


def test_the_edges_are_allowed() -> None:
    FunctionClass(length=0, d_X=1)
    FunctionClass(sparsity=21)  # of no concern to linear functions
    FunctionClass(function="sparse_linear", sparsity=20)
    FunctionClass(inputs="orthogonal_query", predictions="query", length=19)
    FunctionClass(inputs="half_subspace", d_X=2)
    with pytest.raises(BadRequest, match="sparsity"):
        FunctionClass(sparsity=21).replace(function="sparse_linear")


def test_tasks_that_cannot_be_sampled_together_are_refused() -> None:
    task = FunctionClass(d_X=5)
    assert isinstance(stack_tasks([task, task], [0, 1]), PromptSampler)
    for tasks, seeds, named in (
        ([task], [0, 1], "one per seed, 2"),
        ([], [], "number of tasks"),
        ([task, task.replace(noise=0.1)], [0, 1], "equal tasks"),
        ([task, PatternClassification()], [0, 1], "one kind"),
    ):
        with pytest.raises(BadRequest, match=named):
            stack_tasks(tasks, seeds)


def test_a_task_of_no_known_kind_is_refused() -> None:
    for settings in ({}, {"kind": "weather"}, {"kind": None}):
        with pytest.raises(BadRequest, match=r"kind of a task.*functions, .*patterns"):
            task_from_settings(settings)
    assert task_from_settings(PatternClassification().model_dump()) == PatternClassification()
