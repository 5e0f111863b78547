"""A trial: everything that determines the numbers of one training, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from iclscope.core.arguments import expect
from iclscope.core.errors import require, require_finite, require_one_of
from iclscope.core.registry import MODELS, TASKS
from iclscope.core.settings import Settings, named_settings, one_json
from iclscope.models import ModelConfig, SoftmaxReLUConfig, config_from_settings
from iclscope.models.model import is_defined_by_settings as is_model_defined
from iclscope.models.run_model import has_matrices
from iclscope.tasks import FunctionClass, PatternClassification, Task
from iclscope.tasks.known import is_defined_by_settings, task_from_settings
from iclscope.training.losses import LossName, check_loss
from iclscope.training.optimizers import NO_MATRICES, OptimizerName
from iclscope.training.origin import origin_of
from iclscope.training.precision import PrecisionName, check_precision
from iclscope.training.schedules import Schedule, check_schedule

# Raised when the same settings give other numbers than before (a changed sampler, say), so that no store mixes them.
SCIENCE_VERSION = 3

DEFAULT_PROBES = ("risk",)
WEIGHTS = "weights"
"""The probe that records all trained weights; the others are the task's own and what the model offers."""


def _task_of(value: Any) -> Any:
    hint = f"make one, as {value.__name__}()" if isinstance(value, type) else ""
    expect(not hint, "task", value, "a task, or settings with its kind", hint)
    return task_from_settings(value) if isinstance(value, Mapping) else value


def _config_of(value: Any) -> Any:
    config = getattr(value, "config_type", None)
    hint = "" if config is None else f"a trial has its settings: {config.__name__}(…), its config_type"
    expect(not hint, "model", value, "a ModelConfig, or settings with its kind", hint)
    return config_from_settings(value) if isinstance(value, Mapping) else value


AnyTask = Annotated[SerializeAsAny[Task], BeforeValidator(_task_of)]
AnyConfig = Annotated[SerializeAsAny[ModelConfig], BeforeValidator(_config_of)]


def _all_probes() -> set[str]:
    """What any task or model offers to record."""
    inside = {name for _, model in MODELS.all() for name in model.probes}
    return {WEIGHTS, *inside, *(task.record for _, task in TASKS.all())}


class Training(Settings):
    """The settings of a training: optimizer, loss, steps."""

    neutral_values: ClassVar[Mapping[str, Any]] = {
        "decay_power": 1.0,
        "adam_rate": None,
        "weight_decay": 0.0,
        "clip_norm": None,
    }

    optimizer: OptimizerName = Field("sgd", description="update rule")
    loss: LossName = Field("hinge", description="hinge (Li 2024) or squared (Garg 2022)")
    learning_rate: float = Field(1.0, gt=0, description="step size η; the theory of Li 2024 asks for at most 1")
    rate_decay: bool = Field(False, description="let η fall to zero over the steps, as (1 − t/T)^decay_power")
    decay_power: float = Field(1.0, gt=0, description="how η falls; 1: linearly")
    adam_rate: float | None = Field(None, gt=0, description="with muon, the step size of what is no matrix, by Adam")
    weight_decay: float = Field(0.0, ge=0, description="decoupled: η · decay of the weights (muon: matrices) per step")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of a run's whole gradient; None: any")
    steps: int = Field(400, ge=0, description="number of steps T, the most if target_risk is given")
    batch_size: int = Field(256, ge=1, description="fresh prompts per step B")
    schedule: Annotated[Schedule, Field(discriminator="kind")] | None = Field(
        None, description="sizes of the prompts from step to step; None: always the task's"
    )
    precision: PrecisionName = Field(
        "single",
        description="of weights and prompts: float32 (single) or float64 (double); bfloat16: single, but GPT-2 trains "
        "with products whose operands are rounded (on a CPU with AVX512-BF16)",
    )
    target_risk: float | None = Field(
        None,
        gt=0,
        description="stop once the hinge risk on the first evaluation task (on functions: the error after the most "
        "examples) is at most this; None: never",
    )

    @model_validator(mode="after")
    def _check(self) -> Training:
        numbers = ("learning_rate", "target_risk", "decay_power", "adam_rate", "weight_decay", "clip_norm")
        require_finite([(name, getattr(self, name)) for name in numbers])
        fits = (self.adam_rate is not None) == (self.optimizer == "muon")
        require(fits, "adam_rate", self.adam_rate, "a number above 0 with optimizer muon, and none with others")
        require(self.rate_decay or self.decay_power == 1, "decay_power", self.decay_power, "1, or with rate_decay true")
        return self


class Evaluation(Settings):
    """What is recorded during training."""

    on: dict[str, AnyTask] = Field(
        default_factory=dict, description="tasks to measure on, by name; empty: nothing is recorded"
    )
    probes: tuple[str, ...] = Field(DEFAULT_PROBES, description="what is measured on each of them")
    every: int = Field(20, ge=1, description="steps between records; the first and the last step are recorded too")
    prompts: int = Field(1024, ge=1, description="prompts per record, the same at every record")

    @cached_property
    def as_json(self) -> str:
        """As of all settings, but for the tasks: the first decides when training stops, so their order counts."""
        settings = named_settings(self)
        settings["on"] = list(settings["on"].items())
        return one_json(settings)


def name_of(values: Mapping[str, Any]) -> str:
    """A name for settings and plain values together: a hash of their JSON, by name in order."""
    texts = {name: value.as_json if isinstance(value, Settings) else one_json(value) for name, value in values.items()}
    text = ",".join(f'"{name}":{texts[name]}' for name in sorted(texts))
    return hashlib.sha256(f"{{{text}}}".encode()).hexdigest()[:24]


class Trial(Settings):
    """One training: task, model, training, evaluation, seed.

    >>> import iclscope as icl
    >>> trial = icl.Trial(task={"kind": "linear_regression", "d_X": 2}, model={"kind": "linear_attention", "d_X": 2},
    ...                   training=icl.Training(optimizer="adam", loss="squared", steps=10))
    >>> trial.hash == icl.Trial(**trial.model_dump()).hash
    True
    """

    task: AnyTask = Field(default_factory=lambda: PatternClassification())
    model: AnyConfig = Field(default_factory=lambda: SoftmaxReLUConfig())
    training: Training = Field(default_factory=lambda: Training())
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation())
    seed: int = Field(0, description="seed of patterns, initial weights, training and evaluation prompts, each its own")

    @model_validator(mode="after")
    def _check(self) -> Trial:
        training, on = self.training, self.evaluation.on
        check_precision(training.precision, MODELS.get(self.model.kind), self.model.kind)
        for name, task in (("task", self.task), *((f"on.{name}", task) for name, task in on.items())):
            # Or its rows would stand under the name of a trial that is trained otherwise.
            hint = "make a class of your own known with iclscope.register, or train it with iclscope.train"
            expect(is_defined_by_settings(task), name, task, "a task that its settings tell", hint)
            self.model.check_task(task)
        hint = "make a class of your own known with iclscope.register, or train it with iclscope.train"
        expect(is_model_defined(self.model), "model", self.model, "a model that its settings tell", hint)
        if training.schedule is not None:
            check_schedule(training.schedule, self.task)
        check_loss(training.loss, self.task)
        moves = training.optimizer != "muon" or has_matrices(MODELS.get(self.model.kind))
        require(moves, "optimizer", training.optimizer, NO_MATRICES)
        require(all(isinstance(task, type(self.task)) for task in on.values()), "on", list(on), "tasks of one kind")
        if on or self.evaluation.probes != DEFAULT_PROBES:
            inside = MODELS.get(self.model.kind).probes if self.task.supports_probes else ()
            # Where nothing is recorded, what another task or model offers does no harm.
            allowed = sorted({self.task.record, WEIGHTS, *inside} if on else _all_probes())
            for probe in self.evaluation.probes:
                require_one_of("probes", probe, allowed)
        wants_risk = bool(on) and self.task.record in self.evaluation.probes
        require(
            training.target_risk is None or wants_risk,
            "target_risk",
            training.target_risk,
            f"None, or with an evaluation task and the probe {self.task.record!r}, as in "
            f"evaluation: {{on: {{test: {{}}}}, probes: [{self.task.record}]}}",
        )
        return self

    @property
    def patterns(self) -> PatternClassification:
        """The task, where it is one of patterns."""
        assert isinstance(self.task, PatternClassification)
        return self.task

    @property
    def functions(self) -> FunctionClass:
        """The task, where it is a class of functions."""
        assert isinstance(self.task, FunctionClass)
        return self.task

    @property
    def one_layer(self) -> SoftmaxReLUConfig:
        """The model, where it is the one-layer transformer."""
        assert isinstance(self.model, SoftmaxReLUConfig)
        return self.model

    @cached_property
    def hash(self) -> str:
        """A name for this trial's numbers: equal settings, equal hash, on any machine and in any folder."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        neutral = self.neutral_values
        named = {name: value for name, value in fields.items() if name not in neutral or value != neutral[name]}
        named["science_version"] = SCIENCE_VERSION
        if self.training.target_risk is not None:
            named["stopping_prompts"] = "their own"  # they were the first of the test's
        origins = {"task": origin_of(TASKS, self.task.kind), "model": origin_of(MODELS, self.model.kind)}
        if any(origins.values()):  # ours have none, so that names of before stay what they were
            named["origins"] = origins
        return name_of(named)

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for trials to be trained in one batch; everything else may differ per run."""
        evaluation, training = self.evaluation, self.training
        on = tuple((name, task.shape) for name, task in evaluation.on.items())
        return (
            self.task.shape,
            self.model.shape,
            training.steps,
            training.batch_size,
            training.optimizer,
            training.loss,
            training.rate_decay,
            training.decay_power,
            training.adam_rate,
            training.weight_decay,
            training.clip_norm,
            training.schedule,
            training.precision,
            # Records that decide when training stops are of prompts of their own.
            training.target_risk is None,
            # Adam moves all runs at one rate.
            training.learning_rate if training.optimizer == "adam" else None,
            on,
            evaluation.probes,
            evaluation.every,
            evaluation.prompts,
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of weights and prompts."""
        return torch.float64 if self.training.precision == "double" else torch.float32

    def record_steps(self) -> frozenset[int]:
        """The steps at which probes are taken."""
        if not self.evaluation.on:
            return frozenset()
        return frozenset(range(0, self.training.steps, self.evaluation.every)) | {self.training.steps}
