"""What decides when training stops is not tested on: its prompts are its own, and so are such trainings' names."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from iclscope.core.settings import named_settings
from iclscope.evaluation import evaluate
from iclscope.evaluation.probes import STOPPING_PURPOSE, trial_probe
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import SoftmaxReLUConfig
from iclscope.tasks import PatternClassification, stack_tasks
from iclscope.training.trained import untrained_models
from iclscope.training.trial import SCIENCE_VERSION, Evaluation, Training, Trial

TASK = PatternClassification(M1=4, M2=6, d_X=10, d_Y=6, length=6)
TEST = TASK.replace(tasks="unseen")
PROMPTS = 64


def make_trial(seed: int = 0, target: float | None = None) -> Trial:
    return Trial(
        task=TASK,
        model=SoftmaxReLUConfig(d_X=10, d_Y=6, width=6),
        training=Training(steps=4, batch_size=8, target_risk=target),
        evaluation=Evaluation(on={"in-domain": TEST}, every=2, prompts=PROMPTS),
        seed=seed,
    )


def recorded(target: float | None) -> list[float]:
    """The risk of untrained models as a training records it."""
    trials = [make_trial(seed, target) for seed in (0, 1)]
    probe = trial_probe(trials, "cpu")
    assert probe is not None
    found = probe.measure(untrained_models(trials), [0, 1])["in-domain/hinge_risk"]
    return torch.as_tensor(found).tolist()


def at_a_test() -> list[float]:
    trials = [make_trial(seed) for seed in (0, 1)]
    return evaluate(untrained_models(trials), [TEST] * 2, prompts=PROMPTS).hinge_risk.tolist()


def test_records_that_decide_nothing_are_of_the_prompts_of_a_test() -> None:
    assert recorded(None) == pytest.approx(at_a_test(), abs=1e-6)


def test_records_that_decide_when_to_stop_are_of_prompts_that_no_test_sees() -> None:
    stopping = recorded(0.2)
    for mine, theirs in zip(stopping, at_a_test(), strict=True):
        assert mine != pytest.approx(theirs, abs=1e-6)
    assert stopping == recorded(0.9), "whatever the target"
    sampler = stack_tasks([TEST], [0], dtype=torch.float32, device="cpu")
    own, test = (sampler.prompts(512, purpose=purpose) for purpose in (STOPPING_PURPOSE, EVALUATION_PURPOSE))
    for name in ("relevant", "irrelevant", "signs", "query_relevant"):
        assert not torch.equal(getattr(own, name), getattr(test, name))


def test_trainings_that_stop_early_are_not_recorded_together_with_others() -> None:
    assert make_trial(target=0.2).shape == make_trial(target=0.3).shape
    assert make_trial(target=0.2).shape != make_trial().shape


def named_as_before(trial: Trial) -> str:
    """The hash of the settings alone."""
    settings = named_settings(trial)
    settings["evaluation"]["on"] = list(settings["evaluation"]["on"].items())
    settings["science_version"] = SCIENCE_VERSION
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def test_trainings_without_a_target_keep_their_names() -> None:
    assert Trial().hash == "045b50e686aee7eeececc7e6"
    assert Trial(seed=7).hash == "1e0d45f3f5c092bf903b56eb"
    for trial in (Trial(), make_trial(), make_trial(3)):
        assert trial.hash == named_as_before(trial)


def test_trainings_with_a_target_have_other_names_than_when_they_saw_the_test() -> None:
    easy = Evaluation(on={"in-domain": PatternClassification(tasks="unseen")})
    stopped = Trial(training=Training(target_risk=0.2), evaluation=easy)
    assert named_as_before(stopped) == "386e27ee90b3d521d1b27aac"
    for trial in (stopped, make_trial(target=0.2), make_trial(3, target=0.05)):
        assert trial.hash != named_as_before(trial)
    assert len({make_trial(target=target).hash for target in (None, 0.2, 0.3)}) == 3
