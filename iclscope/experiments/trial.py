"""A trial: one training with all that decides its numbers, and nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field, model_validator

from iclscope.errors import require, require_finite
from iclscope.models.softmax_relu import SoftmaxReLUConfig
from iclscope.settings import Settings
from iclscope.tasks.patterns import PatternClassification

# Raised when the same settings give other numbers than before (a changed sampler, say), so that no store mixes them.
SCIENCE_VERSION = 1

ProbeName = Literal["risk", "attention", "projections", "neurons"]


class Training(Settings):
    """How weights are found."""

    learning_rate: float = Field(1.0, gt=0, description="step size η; the theory asks for at most 1")
    steps: int = Field(400, ge=0, description="number of SGD steps T, the most if target_risk is given")
    batch_size: int = Field(256, ge=1, description="fresh prompts per step B")
    target_risk: float | None = Field(
        None, gt=0, description="stop once the hinge risk on the first evaluation task is at most this; None: never"
    )


class Evaluation(Settings):
    """What is recorded on the way."""

    on: dict[str, PatternClassification] = Field(
        default_factory=dict, description="tasks to measure on, by name; empty: nothing is recorded"
    )
    probes: tuple[ProbeName, ...] = Field(("risk",), description="what is measured on each of them")
    every: int = Field(20, ge=1, description="steps between records; the first and the last step are recorded too")
    prompts: int = Field(1024, ge=1, description="prompts per record, the same at every record")


class Trial(Settings):
    """One training: task, model, training, evaluation, seed."""

    task: PatternClassification = Field(default_factory=lambda: PatternClassification())
    model: SoftmaxReLUConfig = Field(default_factory=lambda: SoftmaxReLUConfig())
    training: Training = Field(default_factory=lambda: Training())
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation())
    seed: int = Field(0, description="seed of patterns, initial weights, training and evaluation prompts, each its own")

    @model_validator(mode="after")
    def _check(self) -> Trial:
        require_finite([("learning_rate", self.training.learning_rate), ("target_risk", self.training.target_risk)])
        sizes = (self.model.d_X, self.model.d_Y)
        for task in (self.task, *self.evaluation.on.values()):
            require(
                (task.d_X, task.d_Y) == sizes, "(d_X, d_Y) of a task", (task.d_X, task.d_Y), f"{sizes}, the model's"
            )
        wants_risk = self.evaluation.on and "risk" in self.evaluation.probes
        require(
            self.training.target_risk is None or bool(wants_risk),
            "target_risk",
            self.training.target_risk,
            "None, or with an evaluation task and the probe 'risk'",
        )
        return self

    @property
    def hash(self) -> str:
        """A name for this trial's numbers: equal settings, equal hash, on any machine and in any folder."""
        settings = self.model_dump(mode="json")
        # The first evaluation task decides when training stops, so their order counts.
        settings["evaluation"]["on"] = list(settings["evaluation"]["on"].items())
        settings["science_version"] = SCIENCE_VERSION
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for trials to be trained in one batch; everything else may differ per run."""
        evaluation = self.evaluation
        on = tuple((name, task.shape) for name, task in evaluation.on.items())
        return (
            self.task.shape,
            self.model.shape,
            self.training.steps,
            self.training.batch_size,
            on,
            evaluation.probes,
            evaluation.every,
            evaluation.prompts,
        )

    def record_steps(self) -> frozenset[int]:
        """The steps at which probes are taken."""
        if not self.evaluation.on:
            return frozenset()
        return frozenset(range(0, self.training.steps, self.evaluation.every)) | {self.training.steps}
