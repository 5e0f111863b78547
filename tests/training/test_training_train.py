"""`iclscope.train`: both models, both kinds of tasks, every rule and loss, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.models import GPT2Transformer, Model, SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass, PatternClassification, Task
from iclscope.tasks.function_classes import FunctionName
from iclscope.training import Curriculum, LengthPerStep, Probe
from iclscope.training.losses import LossName
from iclscope.training.optimizers import OptimizerName

PATTERNS = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
FUNCTIONS = FunctionClass(d_X=3, length=4)
SIZES: dict[str, Any] = {"layers": 1, "heads": 2, "embedding": 8, "positions": 16}


def gpt2(task: Task, seeds: Any = 2, **settings: Any) -> GPT2Transformer:
    return GPT2Transformer(seeds=seeds, d_X=task.d_X, d_Y=task.d_Y, **{**SIZES, **settings})


def one_layer(seeds: Any = 2, **settings: Any) -> SoftmaxReLUTransformer:
    return SoftmaxReLUTransformer(seeds=seeds, d_X=5, d_Y=2, width=4, **settings)


def weights(model: Model) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def equal(one: Model, other: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.state_dict().items())


@pytest.mark.parametrize("loss", get_args(LossName))
@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize("case", ["one layer", "gpt2 on patterns", "gpt2 on functions"])
def test_every_rule_and_loss_that_is_accepted_moves_the_weights(
    case: str, optimizer: OptimizerName, loss: LossName
) -> None:
    task, model = {
        "one layer": (PATTERNS, one_layer()),
        "gpt2 on patterns": (PATTERNS, gpt2(PATTERNS, tokens="columns")),
        "gpt2 on functions": (FUNCTIONS.replace(function="linear_classification"), gpt2(FUNCTIONS)),
    }[case]
    before = weights(model)
    if case == "one layer" and optimizer == "muon":
        with pytest.raises(BadRequest, match="optimizer: expected"):
            icl.train(model, task, optimizer=optimizer, loss=loss, steps=2, batch_size=4)
        return
    result = icl.train(model, task, optimizer=optimizer, loss=loss, learning_rate=0.01, steps=2, batch_size=4)
    assert equal(model, before), "the given model is changed"
    for name, weight in result.model.state_dict().items():
        assert bool(weight.isfinite().all())
        assert torch.equal(weight, before[name]) == (name == "a"), name
    assert type(result.model) is type(model)
    assert result.model.trained_on == (task, task)
    assert model.trained_on is None
    assert result.diverged_at.tolist() == result.stopped_at.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("task", "model", "defaults"),
    [
        (PATTERNS, one_layer, {"optimizer": "sgd", "loss": "hinge", "learning_rate": 1.0}),
        (FUNCTIONS, lambda: gpt2(FUNCTIONS), {"optimizer": "adam", "loss": "squared", "learning_rate": 1e-3}),
    ],
)
def test_defaults_are_those_of_the_tasks_paper(task: Any, model: Any, defaults: dict[str, Any]) -> None:
    by_default = icl.train(model(), task, steps=3, batch_size=4).model
    written_out = icl.train(model(), task, steps=3, batch_size=4, **defaults).model
    assert equal(by_default, written_out.state_dict())
    other = icl.train(model(), task, steps=3, batch_size=4, rate_decay=True).model
    assert not equal(by_default, other.state_dict())


@pytest.mark.parametrize("function", get_args(FunctionName))
def test_every_class_of_functions_can_be_trained_on(function: FunctionName) -> None:
    task = FUNCTIONS.replace(function=function, width=5, noise=0.1)
    result = icl.train(gpt2(task), task, steps=2, batch_size=4)
    assert not equal(result.model, gpt2(task).state_dict())
    errors = icl.evaluate(result.model, task, prompts=8)
    assert errors.errors.shape == (2, 8, 5)
    assert bool(errors.errors.isfinite().all())


def test_the_error_falls_on_functions() -> None:
    task = FunctionClass(d_X=1, length=2, function="linear_classification")
    model = gpt2(task, 1, embedding=16, layers=2, dtype=torch.float64)  # in single precision the last bits decide
    trained = icl.train(model, task, steps=300, batch_size=32, learning_rate=5e-3).model
    before, after = (icl.evaluate(m, task, prompts=300).mean[0] for m in (model, trained))
    assert bool((before[1:] > 0.9).all())
    assert bool((after[1:] < 0.85).all())
    assert after[0] > 0.95, "without an example there is nothing to go by"


def test_the_error_falls_on_patterns() -> None:
    task = PATTERNS.replace(tasks="all", training_tasks="all")
    # In double precision: in single, the last bits decide how far so short a training gets.
    model = gpt2(task, 1, tokens="columns", embedding=16, layers=2, dtype=torch.float64)
    trained = icl.train(model, task, steps=200, batch_size=32, learning_rate=1e-2, optimizer="adam").model
    before, after = (icl.evaluate(m, task, prompts=500) for m in (model, trained))
    assert float(before.classification_error) > 0.4
    assert float(after.classification_error) < 0.35
    assert float(after.hinge_risk) < 0.7


def test_a_run_is_trained_as_if_alone() -> None:
    task = FUNCTIONS.replace(noise=0.2)
    together = icl.train(gpt2(task, [3, 4, 5]), task, steps=4, batch_size=4, schedule=Curriculum(dimensions=1)).model
    alone = icl.train(gpt2(task, [4]), task, steps=4, batch_size=4, schedule=Curriculum(dimensions=1)).model
    assert equal(alone, together.run(1).state_dict())


@pytest.mark.parametrize("schedule", [Curriculum(dimensions=1, length=1, every=2), LengthPerStep(shortest=0)])
def test_a_schedule_is_followed(schedule: Any) -> None:
    plain, scheduled = (
        icl.train(gpt2(FUNCTIONS), FUNCTIONS, steps=5, batch_size=4, schedule=s).model for s in (None, schedule)
    )
    assert not equal(plain, scheduled.state_dict())
    whole = Curriculum(dimensions=3, length=4)
    assert equal(plain, icl.train(gpt2(FUNCTIONS), FUNCTIONS, steps=5, batch_size=4, schedule=whole).model.state_dict())


def test_every_run_may_have_its_own_patterns_and_with_sgd_its_own_rate() -> None:
    tasks = [PATTERNS.replace(alpha=alpha) for alpha in (0.3, 0.9)]
    for make in (one_layer, lambda seeds: gpt2(PATTERNS, seeds, tokens="columns")):
        together = icl.train(
            make([3, 4]), tasks, steps=3, batch_size=4, optimizer="sgd", learning_rate=[0.1, 0.5]
        ).model
        assert together.trained_on == tuple(tasks)
        for run, (task, rate) in enumerate(zip(tasks, (0.1, 0.5), strict=True)):
            alone = icl.train(make([3 + run]), task, steps=3, batch_size=4, optimizer="sgd", learning_rate=rate).model
            for name, weight in alone.state_dict().items():
                torch.testing.assert_close(weight[0], together.state_dict()[name][run], rtol=0, atol=1e-5)


def test_what_is_recorded_on_the_way() -> None:
    def measure(model: GPT2Transformer, live: Sequence[int]) -> Mapping[str, Tensor]:
        return {"bias": model.network.read_out.bias[:, 0]}

    result = icl.train(gpt2(FUNCTIONS), FUNCTIONS, steps=4, batch_size=4, probe=Probe(measure, {0, 3, 4}))
    assert list(result.recorded_at) == [0, 3, 4]
    assert result.trajectory["bias"].shape == (2, 3)
    assert torch.equal(result.trajectory["bias"][:, 0], gpt2(FUNCTIONS).network.read_out.bias[:, 0])
    assert torch.equal(result.trajectory["bias"][:, 2], result.model.network.read_out.bias[:, 0])


def test_no_steps_leave_the_initial_weights() -> None:
    result = icl.train(gpt2(FUNCTIONS), FUNCTIONS, steps=0)
    assert equal(result.model, gpt2(FUNCTIONS).state_dict())
    assert result.model.trained_on == (FUNCTIONS, FUNCTIONS)


@pytest.mark.parametrize(
    ("task", "model", "settings", "named"),
    [
        (FUNCTIONS.replace(d_X=4), gpt2(FUNCTIONS), {}, r"\(3, 1\).*\(4, 1\)"),
        (FUNCTIONS.replace(length=8), gpt2(FUNCTIONS), {}, "length: expected .*at most 7.*, got 8"),
        (
            PATTERNS.replace(length=(1, 16)),
            gpt2(PATTERNS, tokens="columns"),
            {},
            "length: .*at most 15.*, got 16",
        ),
        (FUNCTIONS, gpt2(FUNCTIONS, tokens="columns"), {}, "tokens: expected .*alternating.*, got 'columns'"),
        (
            FUNCTIONS.replace(d_X=5),
            SoftmaxReLUTransformer(d_X=5, d_Y=1),
            {},
            "predictions: expected .*one query per prompt.*, got .every",
        ),
        (FUNCTIONS, gpt2(FUNCTIONS), {"learning_rate": [1e-3, 1e-4]}, "learning_rate.*one number for all runs"),
        (FUNCTIONS, gpt2(FUNCTIONS), {"learning_rate": [1e-3]}, r"learning_rate.*one per run \(2\)"),
        *[
            (FUNCTIONS, gpt2(FUNCTIONS), {"learning_rate": rate}, "learning_rate")
            for rate in (0.0, -1.0, math.nan, math.inf)
        ],
        (FUNCTIONS, gpt2(FUNCTIONS), {"steps": -1}, r"steps: expected .*, got -1"),
        (FUNCTIONS, gpt2(FUNCTIONS), {"batch_size": 0}, r"batch_size: expected .*, got 0"),
        (FUNCTIONS, gpt2(FUNCTIONS), {"schedule": LengthPerStep(shortest=5)}, "shortest: expected .*4.*, got 5"),
        (
            PATTERNS,
            one_layer(),
            {"schedule": Curriculum(dimensions=3)},
            "dimensions of a curriculum: .*d_X = 5.*, got 3",
        ),
        ([], one_layer(), {}, r"number of tasks: expected .*, got 0"),
        ([PATTERNS], one_layer(), {}, "number of tasks: expected .*2.*, got 1"),
        ([PATTERNS, PATTERNS.replace(length=3)], one_layer(), {}, "equal shapes"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    task: Any, model: Model, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadRequest, match=named) as refusal:
        icl.train(model, task, **{"steps": 1, "batch_size": 2, **settings})
    assert "\n" not in str(refusal.value)
