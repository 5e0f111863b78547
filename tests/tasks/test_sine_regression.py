"""Sine waves: their ranges and moments, batches as functions of the seed, refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.tasks import SineRegression, stack_tasks, task_from_settings
from iclscope.tasks.prompts import PromptSize

TASK = SineRegression(length=4, half_width=3.0, least_amplitude=0.5, most_amplitude=2.0)


def test_every_prompt_is_one_wave() -> None:
    """Two examples give a and φ, which must lie in their ranges and explain the other answers."""
    prompts = TASK.sampler([0, 1], dtype=torch.float64).prompts(300, purpose="test")
    x, y = prompts.inputs[..., 0], prompts.answers
    assert float(x.abs().max()) <= 3
    waves = torch.stack([x.sin(), x.cos()], dim=3)
    parts = torch.linalg.lstsq(waves, y[..., None]).solution
    torch.testing.assert_close((waves @ parts)[..., 0], y, rtol=1e-9, atol=1e-9)
    amplitude, phase = parts[..., 0].norm(dim=2), torch.atan2(parts[:, :, 1, 0], parts[:, :, 0, 0])
    assert 0.5 <= float(amplitude.min()) < 0.6
    assert 1.9 < float(amplitude.max()) <= 2.0
    assert -1e-9 <= float(phase.min()) < 0.1
    assert math.pi - 0.1 < float(phase.max()) <= math.pi
    assert torch.equal(prompts.labels, prompts.values[..., -1])


def test_the_scale_is_the_error_of_predicting_zero() -> None:
    labels = TASK.sampler([0]).prompts(40_000, purpose="test").labels
    assert TASK.scale == pytest.approx(float(labels.square().mean()), rel=0.03)
    assert SineRegression().scale == pytest.approx((0.5**3 - 0.1**3) / (3 * 0.4) / 2)


def test_the_amplitude_may_set_the_phase() -> None:
    """φ/π is then where a lies in its range, x and a are those of before, and the scale is exact."""
    task = TASK.replace(amplitude_sets_phase=True)
    prompts, plain = (one.sampler([0], dtype=torch.float64).prompts(40_000, purpose="test") for one in (task, TASK))
    assert torch.equal(prompts.inputs, plain.inputs)
    x, y = prompts.inputs[0, :, :, 0], prompts.answers[0]
    parts = torch.linalg.lstsq(torch.stack([x.sin(), x.cos()], dim=2), y[..., None]).solution[..., 0]
    amplitude, phase = parts.norm(dim=1), torch.atan2(parts[:, 1], parts[:, 0])
    torch.testing.assert_close(phase / math.pi, (amplitude - 0.5) / 1.5, rtol=1e-6, atol=1e-6)
    narrow = task.replace(half_width=0.8)  # where a phase of its own would make a difference
    squares = narrow.sampler([0], dtype=torch.float64).prompts(40_000, purpose="test").labels.square()
    for expected, is_right in ((narrow.scale, True), (TASK.scale, False)):
        assert (abs(float(squares.mean()) - expected) < 4 * float(squares.std()) / 200) is is_right
    assert task.summary()["φ"] == "set by a"
    assert "φ" not in TASK.summary()


def test_batches_are_functions_of_seed_purpose_and_step() -> None:
    together, alone = TASK.sampler([3, 7]), TASK.sampler([7])
    one = alone.prompts(5, purpose="training", step=2)
    assert torch.equal(together.prompts(5, purpose="training", step=2).inputs[1], one.inputs[0])
    assert torch.equal(together.runs([1]).prompts(5, purpose="training", step=2).values, one.values)
    for purpose, step in (("training", 3), ("evaluation", 2)):
        assert not torch.equal(alone.prompts(5, purpose=purpose, step=step).inputs, one.inputs)
    assert alone.prompts(5, purpose="training", size=PromptSize(9)).inputs.shape == (1, 5, 10, 1)


def test_it_is_a_task_like_the_others() -> None:
    assert task_from_settings(TASK.model_dump()) == TASK
    assert stack_tasks([TASK, TASK], [0, 1]).task == TASK
    assert TASK.replace(length=9).length_range == (9, 9)
    assert TASK.summary()["functions"] == "sine"
    assert (TASK.d_X, TASK.d_Y, TASK.query_only, TASK.real_answers) == (1, 1, True, True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"length": -1}, ("length", "-1")),
        ({"half_width": 0.0}, ("half_width", "0")),
        ({"half_width": math.inf}, ("half_width", "inf", "finite")),
        ({"least_amplitude": 3.0, "most_amplitude": 2.0}, ("most_amplitude", "2.0", "3.0")),
        ({"phase": 1.0}, ("phase", "half_width")),
    ],
)
def test_refusals(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        SineRegression(**settings)
    assert all(says(str(refusal.value), word) for word in words)


def test_other_tasks_are_not_stacked() -> None:
    with pytest.raises(BadRequest, match="equal tasks"):
        stack_tasks([TASK, SineRegression()], [0, 1])
