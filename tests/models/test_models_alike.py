"""Every model answers the same call: predict(prompts) gives output, attention and hidden, whichever model it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from iclscope.core.registry import MODELS
from iclscope.models import Model, ModelConfig, load_model, stack_models
from iclscope.tasks import FunctionClass

TASK = FunctionClass(d_X=3, length=4, predictions="query")
SIZES = {"gpt2": {"positions": 9, "layers": 1, "heads": 1, "embedding": 4}, "softmax_relu": {"width": 5, "d_Y": 1}}
CONFIGS = [model.config_type for _, model in MODELS.all()]


def config_of(kind: type[ModelConfig]) -> ModelConfig:
    """A small config that reads three-dimensional inputs and answers with a number."""
    name = kind.model_fields["kind"].default
    return kind(d_X=3, **SIZES.get(name, {}))


def model_of(kind: type[ModelConfig]) -> Model:
    return stack_models([config_of(kind)] * 2, [3, 4], dtype=torch.float64)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_model_answers_the_query_of_the_common_task(kind: type[ModelConfig]) -> None:
    model = model_of(kind)
    model.check_task(TASK)
    prompts = TASK.sampler(model.seeds, dtype=torch.float64).prompts(5, purpose="test")
    found = model.predict(prompts)
    assert found._fields == ("output", "attention", "hidden")
    assert found.output.shape == prompts.labels.shape == (2, 5)
    assert bool(found.output.isfinite().all())


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_model_is_a_row_of_runs_with_checkpoints(kind: type[ModelConfig], tmp_path: Path) -> None:
    model = model_of(kind)
    model.trained_on = (TASK, TASK)
    prompts = TASK.sampler(model.seeds, dtype=torch.float64).prompts(5, purpose="test")
    alone = TASK.sampler([4], dtype=torch.float64).prompts(5, purpose="test")
    expected = model.predict(prompts).output
    torch.testing.assert_close(model.run(1).predict(alone).output, expected[1:])
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    assert (again.seeds, again.trained_on, again.dtype) == (model.seeds, model.trained_on, torch.float64)
    assert torch.equal(again.predict(prompts).output, expected)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_config_says_what_it_is(kind: type[ModelConfig]) -> None:
    config = config_of(kind)
    assert str(config.summary()["model"])
    assert config.operations(4) >= 1
    assert config.runs_at_a_time(torch.device("cpu")) >= 1
