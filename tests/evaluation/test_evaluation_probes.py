"""What is recorded while a trial trains is what a plain computation on the same prompts gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from iclscope.evaluation.probes import TrialProbe, trial_probe
from iclscope.models import stack_models
from iclscope.tasks import FunctionClass, LinearRegression, OrthonormalFeatures, PatternClassification, Task
from iclscope.training.trial import Evaluation, Training, Trial

SMALL: dict[str, Any] = {"M1": 4, "M2": 4, "d_X": 8, "d_Y": 4}
GPT2 = {"kind": "gpt2", "d_X": 3, "layers": 1, "heads": 1, "embedding": 4, "positions": 12}


def trials_on(task: Task, model: dict[str, Any], probe: str, **training: Any) -> list[Trial]:
    """Two trials of different seeds that are measured on what they are trained on."""
    loss = "hinge" if isinstance(task, PatternClassification) else "squared"
    on = Evaluation(on={"own": task}, probes=(probe,), prompts=7)
    settings = Training(loss=loss, precision="double", **training)
    return [Trial(task=task, model=model, training=settings, evaluation=on, seed=seed) for seed in (3, 4)]


@pytest.mark.parametrize(
    ("task", "model"),
    [
        (LinearRegression(d_X=3, length=4), {"kind": "linear_attention", "d_X": 3}),
        (FunctionClass(d_X=3, length=4, y_scale=2.0), GPT2),
    ],
)
def test_squared_errors_are_means_over_prompts_at_every_context_length(task: Task, model: dict[str, Any]) -> None:
    trials = trials_on(task, model, "squared_error")
    models = stack_models([one.model for one in trials], [3, 4], dtype=torch.float64)
    found = TrialProbe(trials, "cpu").measure(models, [0, 1])["own/squared_error"]
    prompts = task.sampler([3, 4], dtype=torch.float64).prompts(7, purpose="evaluation")
    errors = ((models.predict(prompts).output - prompts.labels) ** 2 / task.scale).detach().reshape(2, 7, -1)
    plain = [[sum(errors[run, :, place].tolist()) / 7 for place in range(errors.shape[2])] for run in range(2)]
    assert found.shape == (2, len(task.answered_lengths))
    torch.testing.assert_close(found.detach(), torch.tensor(plain, dtype=torch.float64))


def test_prompts_with_probabilities_are_weighed_by_them() -> None:
    task = OrthonormalFeatures(K=3, d_X=4, length=3, expectation="exact")
    trials = trials_on(task, {"kind": "softmax_attention", "d_X": 4}, "squared_error")
    models = stack_models([one.model for one in trials], [3, 4], dtype=torch.float64)
    found = TrialProbe(trials, "cpu").measure(models, [0, 1])["own/squared_error"]
    prompts = task.sampler([3, 4], dtype=torch.float64).prompts(1, purpose="evaluation")
    errors = (models.predict(prompts).output - prompts.labels).detach().square().mean(dim=2)
    assert found.shape == (2, 1)
    torch.testing.assert_close(found[:, 0].detach(), (errors * prompts.weights).sum(dim=1))


def test_both_risks_are_recorded_on_patterns_and_weights_for_themselves() -> None:
    task = PatternClassification(**SMALL, length=5)
    trials = trials_on(task, {"kind": "softmax_relu", "d_X": 8, "d_Y": 4, "width": 6}, "risk")
    models = stack_models([one.model for one in trials], [3, 4], dtype=torch.float64)
    found = TrialProbe(trials, "cpu").measure(models, [0, 1])
    prompts = task.sampler([3, 4], dtype=torch.float64).prompts(7, purpose="evaluation")
    margins = (models.predict(prompts).output * prompts.labels).detach()
    torch.testing.assert_close(found["own/hinge_risk"].detach(), (1 - margins).clamp(min=0).mean(dim=1))
    torch.testing.assert_close(found["own/classification_error"].detach(), (margins < 0).double().mean(dim=1))
    kept = TrialProbe([one.model_copy(update={"evaluation": Evaluation(on={"own": task}, probes=("weights",))})
                       for one in trials], "cpu").measure(models, [0, 1])  # fmt: skip
    assert {name.removeprefix("own/") for name in kept} == {name for name, _ in models.named_parameters()}


def test_a_target_is_met_at_the_longest_context_and_on_prompts_of_its_own() -> None:
    task = FunctionClass(d_X=3, length=4)
    trials = trials_on(task, GPT2, "squared_error", target_risk=0.5)
    probe = trial_probe(trials, "cpu")
    assert probe is not None
    assert probe.reached is not None
    records = {"own/squared_error": torch.tensor([[9.0, 9.0, 9.0, 9.0, 0.4], [0.1, 0.1, 0.1, 0.1, 0.6]])}
    assert probe.reached(records, [0, 1]).tolist() == [True, False]
    models = stack_models([one.model for one in trials], [3, 4], dtype=torch.float64)
    tested = TrialProbe(trials_on(task, GPT2, "squared_error"), "cpu").measure(models, [0, 1])
    stopping = TrialProbe(trials, "cpu").measure(models, [0, 1])
    assert not torch.equal(tested["own/squared_error"], stopping["own/squared_error"])
