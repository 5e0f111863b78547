"""Coordinates of x that no answer depends on."""

from __future__ import annotations

import pytest
import torch

from iclscope.core.errors import BadRequest
from iclscope.tasks import LinearRegression

TASK = LinearRegression(d_X=5, length=4, distractors=2)


def test_answers_do_not_depend_on_them() -> None:
    prompts = TASK.sampler([0, 1], dtype=torch.float64).prompts(200, purpose="test")
    plain = TASK.replace(distractors=0).sampler([0, 1], dtype=torch.float64).prompts(200, purpose="test")
    assert torch.equal(prompts.inputs, plain.inputs)
    # Three unknowns, five equations: exact without the last two coordinates.
    solved = torch.linalg.lstsq(prompts.inputs[..., :3], prompts.values[..., None]).solution
    torch.testing.assert_close((prompts.inputs[..., :3] @ solved)[..., 0], prompts.values)


def test_given_weights_lose_their_last_entries() -> None:
    task = TASK.replace(weight=(1.0, 2.0, 3.0, 4.0, 5.0))
    prompts = task.sampler([0], dtype=torch.float64).prompts(50, purpose="test")
    expected = prompts.inputs[..., :3] @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(prompts.values, expected)


@pytest.mark.parametrize("changes", [{}, {"weight": (1.0, -2.0, 0.5, 4.0, 5.0)}, {"inputs": "gaussian"}])
def test_the_scale_is_the_error_of_predicting_zero(changes: dict[str, object]) -> None:
    task = TASK.replace(**changes)
    values = task.sampler([0], dtype=torch.float64).prompts(40_000, purpose="test").values[0]
    assert task.scale == pytest.approx(float(values.square().mean()), rel=0.03)


def test_they_are_shown() -> None:
    assert TASK.summary()["distractors"] == 2
    assert "distractors" not in TASK.replace(distractors=0).summary()


@pytest.mark.parametrize("count", [5, 7, -1])
def test_one_coordinate_must_be_left(count: int) -> None:
    with pytest.raises(BadRequest, match="distractors"):
        LinearRegression(d_X=5, distractors=count)
