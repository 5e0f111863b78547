"""The pattern classification task of Li 2024: its settings, and the sampler of prompts for many runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from iclscope.core.arguments import seeds_from
from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.patterns import task_sets
from iclscope.tasks.patterns.basis import PatternBasis
from iclscope.tasks.patterns.prompts import PatternPrompts
from iclscope.tasks.patterns.sampling import (
    PromptSource,
    draw,
    exact_context,
    independent_context,
    irrelevant_part,
    length_mask,
    queries,
)
from iclscope.tasks.patterns.scores import CLASSIFICATION_ERROR, HINGE_RISK, pattern_scores
from iclscope.tasks.patterns.shift import PatternShift, bases_of
from iclscope.tasks.prompts import PromptSize, TrainingPrompts
from iclscope.tasks.task import Metric, Task


class PatternClassification(Task):
    """Binary classification in context with orthogonal patterns (Li 2024, Section 2).

    An input is x = μ_j + κ ν_k, κ ~ Uniform(−K, K); a task (a, b) labels μ_a as +1 and μ_b as −1. The defaults
    are the paper's where it states them; β, ‖q‖ and K are ours (docs/experiment_log.md says why).
    """

    metrics: ClassVar[tuple[Metric, ...]] = (HINGE_RISK, CLASSIFICATION_ERROR)
    default_training: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "loss": "hinge", "learning_rate": 1.0}
    default_prompts: ClassVar[int] = 4096
    record: ClassVar[str] = "risk"
    varies_per_run: ClassVar[bool] = True
    supports_probes: ClassVar[bool] = True
    changeable: ClassVar[tuple[str, ...]] = ("length", "alpha", "S1", "tasks", "beta", "K")
    main: ClassVar[tuple[str, ...]] = ("M1", "M2", "beta", "K", "alpha", "length", "training_tasks")

    kind: Literal["patterns"] = Field("patterns", description="which task this is")
    M1: int = Field(6, ge=3, description="number of relevant (IDR) patterns μ")
    M2: int = Field(24, ge=1, description="number of irrelevant (IDI) patterns ν")
    d_X: int = Field(30, ge=1, description="input dimension, at least M1 + M2")
    d_Y: int = Field(30, ge=1, description="label dimension")
    beta: float = Field(2.0, gt=0, description="norm β of every pattern")
    q_norm: float = Field(0.5, gt=0, description="norm of the label embedding q")
    K: float = Field(0.5, ge=0, description="range of κ ~ Uniform(−K, K); the theory asks for at most 1/2")
    alpha: float = Field(0.8, ge=0, le=1, description="share α (training) or α' (testing) of task-relevant columns")
    length: int | tuple[int, int] = Field(
        20, description="context length l, or (shortest, longest) drawn uniformly per prompt"
    )
    context: Literal["independent", "exact"] = Field(
        "independent", description="columns drawn independently, or exactly ⌈α'l/2⌉ with the query's pattern"
    )
    training_tasks: Literal["cycle", "all"] | float | tuple[tuple[int, int], ...] = Field(
        "cycle", description="training tasks: the cycle, all, a share k/(M1−1) of all, or pairs (a, b)"
    )
    check_condition: bool = Field(
        True, description="refuse training tasks that break Condition 3.2; False allows them, for experiments"
    )
    tasks: Literal["training", "unseen", "all"] = Field("training", description="the tasks that prompts are drawn from")
    shift: PatternShift | None = Field(None, description="out-of-domain patterns; None: in domain")

    @model_validator(mode="after")
    def _check(self) -> PatternClassification:
        require_finite([("beta", self.beta), ("q_norm", self.q_norm), ("K", self.K), ("alpha", self.alpha)])
        require(self.d_X >= self.M1 + self.M2, "M1 + M2", self.M1 + self.M2, f"at most d_X = {self.d_X}")
        shortest, longest = self.length_range
        allowed = "0 or more, and (shortest, longest) in this order"
        require(0 <= shortest <= longest, "length", self.length, allowed)
        training = self.training_task_set()
        if self.check_condition:
            task_sets.check_condition_3_2(training, self.M1)
        if self.shift is not None:
            self.shift.check_room(self.M1, self.M2, self.d_X)
        require(len(self.task_set()) > 0, "tasks", self.tasks, "'training' or 'all': no task is left unseen")
        patterns = len(self.shift.rows(self.M1)) if self.shift is not None else self.M1
        of_which = f"{patterns} patterns" if self.shift is None else f"{patterns} shifted patterns"
        require(patterns > 2 or self.alpha == 1, "alpha", self.alpha, f"1: with {of_which} there is no other one")
        return self

    @property
    def d(self) -> int:
        """Dimension of a column, d_X + d_Y."""
        return self.d_X + self.d_Y

    @property
    def length_range(self) -> tuple[int, int]:
        """The shortest and the longest context."""
        return (self.length, self.length) if isinstance(self.length, int) else self.length

    @property
    def real_answers(self) -> bool:
        """Never: labels are signs."""
        return False

    def summary(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        shortest, longest = self.length_range
        return {
            "M1": self.M1,
            "M2": self.M2,
            "d_X": self.d_X,
            "d_Y": self.d_Y,
            "β": self.beta,
            "‖q‖": self.q_norm,
            "K": self.K,
            "α": self.alpha,
            "l": longest if shortest == longest else f"{shortest} to {longest}",
            "training tasks": task_sets.training_tasks_text(self.training_tasks, self.M1),
        }

    def training_task_set(self) -> tuple[task_sets.Task, ...]:
        """The training tasks as pairs (a, b).

        Raises:
            BadRequest: if the share has no set that meets Condition 3.2, or a pair is not one.
        """
        return task_sets.chosen_tasks(self.training_tasks, self.M1)

    def task_set(self) -> tuple[task_sets.Task, ...]:
        """The tasks that prompts are drawn from, as pairs; with a shift, all pairs of ODR patterns."""
        if self.shift is not None:
            return task_sets.all_tasks(len(self.shift.rows(self.M1)))
        if self.tasks == "training":
            return self.training_task_set()
        if self.tasks == "unseen":
            return task_sets.unseen_tasks(self.training_task_set(), self.M1)
        return task_sets.all_tasks(self.M1)

    @classmethod
    def stacked(
        cls,
        tasks: Sequence[Any],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> PatternSampler:
        """A sampler of these tasks, one per run; all but their `shape` may differ."""
        return PatternSampler(tasks, seeds, dtype=dtype, device=device)

    def score(self, output: Tensor, prompts: TrainingPrompts) -> dict[str, Float[Tensor, "run batch points"]]:
        """The hinge loss, and whether the sign is wrong: 0 counts half, as a coin would."""
        return pattern_scores(output, prompts.labels)

    def check_test_of(self, trained_on: Task | None) -> None:
        """Refuse to be what a model is tested on: another number of patterns would mean other patterns."""
        super().check_test_of(trained_on)
        if isinstance(trained_on, PatternClassification):
            asked, known = (self.M1, self.M2), (trained_on.M1, trained_on.M2)
            allowed = f"{known}, those trained on: another number of patterns means other patterns"
            require(asked == known, "(M1, M2)", asked, allowed)

    def tested_with(self, changes: Mapping[str, Any]) -> Self:
        """The same with some settings changed; S1 stands for a shift to patterns of that coefficient sum."""
        moved = {"shift": PatternShift(S1=changes["S1"])} if "S1" in changes else {}
        return self.replace(**{**{name: value for name, value in changes.items() if name != "S1"}, **moved})

    def check_effect(self, changes: Mapping[str, Any]) -> None:
        """Refuse a choice of tasks among out-of-domain patterns, of which all are tested."""
        allowed = "without out-of-domain patterns, of which all tasks are tested"
        require("tasks" not in changes or self.shift is None, "tasks", changes.get("tasks"), allowed)

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for tasks to be sampled in one batch; everything else may differ per run."""
        patterns = (self.M1, self.M2) if self.shift is None else (len(self.shift.rows(self.M1)), self.shift.M2)
        where = None if self.shift is None else self.shift.irrelevant
        return (self.M1, self.M2, self.d_X, self.d_Y, self.length_range, self.context, patterns, where)


class PatternSampler:
    """Prompts of one pattern task per run.

    A batch is a pure function of the run's seed, the purpose and the step. Patterns depend on the seed alone, so
    training and evaluation of a run share them; prompts of different purposes are unrelated.

    Attributes:
        basis: the patterns that prompts are made of, out-of-domain ones if the task is shifted.
        in_domain: the in-domain patterns.
    """

    basis: PatternBasis
    in_domain: PatternBasis

    def __init__(
        self,
        tasks: Sequence[PatternClassification],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the patterns of every run.

        Args:
            tasks: one task per run, of equal ``shape``.
            seeds: one seed per run.
            dtype: precision of the prompts; which patterns are drawn does not depend on it.
            device: where prompts are made.

        Raises:
            BadRequest: if tasks of different shapes are to be sampled together.
        """
        require(len(tasks) == len(seeds) > 0, "number of tasks", len(tasks), f"one per seed, {len(seeds)}")
        require(len({task.shape for task in tasks}) == 1, "tasks", len(tasks), "tasks of equal shapes and lengths")
        self._task_of_run = tuple(tasks)
        self._task = tasks[0]
        self._seeds = seeds_from(seeds)
        self._dtype = dtype
        self._device = torch.device(device)
        self._streams: dict[str, RandomStream] = {}

        def per_run(values: Sequence[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float64, device=self._device)

        self.in_domain, self.basis = bases_of(tasks, RandomStream.from_seeds(seeds, "patterns", device), self._device)
        self._dictionary = self.basis.dictionary().to(dtype)
        self._alpha = per_run([task.alpha for task in tasks])
        self._K = per_run([_kappa_range(task) for task in tasks])
        task_sets_per_run = [task.task_set() for task in tasks]
        most = max(len(pairs) for pairs in task_sets_per_run)
        padded = [pairs + pairs[:1] * (most - len(pairs)) for pairs in task_sets_per_run]
        self._tasks = torch.tensor(padded, dtype=torch.int64, device=self._device)
        self._task_counts = torch.tensor([len(pairs) for pairs in task_sets_per_run], device=self._device)

    def runs(self, indices: Sequence[int]) -> Self:
        """The sampler of some of the runs, in the given order; what a subclass keeps beside is kept."""
        tasks, seeds = [self._task_of_run[i] for i in indices], [self._seeds[i] for i in indices]
        chosen = copy.copy(self)
        PatternSampler.__init__(chosen, tasks, seeds, dtype=self._dtype, device=self._device)
        return chosen

    @property
    def tasks(self) -> tuple[PatternClassification, ...]:
        """One task per run."""
        return self._task_of_run

    def stream_of(self, what: str, *, purpose: str, step: int) -> RandomStream:
        """Random numbers of a derived class's own: a function of the seeds, what they are for, purpose and step.

        Args:
            what: what the numbers are for ("flips"); "prompts" is taken by the prompts themselves.
            purpose: that of the prompts.
            step: that of the prompts.

        Raises:
            BadRequest: if ``what`` is "prompts".
        """
        require(what != "prompts", "what", what, "another word: prompts are drawn from that stream")
        return RandomStream.from_seeds(self._seeds, f"{purpose} {what}", self._device).at(step)

    def _stream(self, purpose: str) -> RandomStream:
        """The runs' streams for a purpose; kept, since every step asks for them."""
        if purpose not in self._streams:
            self._streams[purpose] = RandomStream.from_seeds(self._seeds, f"{purpose} prompts", self._device)
        return self._streams[purpose]

    def source(self, purpose: str, step: int) -> PromptSource:
        """What the prompts of a step are a function of, for compiled code that draws the same ones."""
        shortest, longest = self._task.length_range
        return PromptSource(
            self._stream(purpose).at(step).keys, self._alpha, self._K, self._tasks, self._task_counts,
            self.basis.relevant.shape[1], self.basis.irrelevant.shape[1], shortest, longest,
            self._task.context == "exact",
        )  # fmt: skip

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> PatternPrompts:
        """Draw a batch of prompts for every run.

        Args:
            batch: prompts per run.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another context length, the same for all prompts of the batch; None: the task's own.
        """
        M1, M2 = self.basis.relevant.shape[1], self.basis.irrelevant.shape[1]
        shortest, length = self._task.length_range if size is None else (size.length, size.length)
        whole = size is None or size.dimensions in (None, self._task.d_X)
        require(whole, "dimensions of a curriculum", size and size.dimensions, "all: patterns have no fewer dimensions")
        exact = self._task.context == "exact"
        drawn = draw(self._stream(purpose).at(step), batch, length, exact=exact)
        query = queries(drawn.task, self._tasks, self._task_counts)
        mask = None if shortest == length else length_mask(drawn.length, shortest, length)
        if exact:
            context = exact_context(drawn.places, drawn.relevant, query, self._alpha, M1, mask)
        else:
            context = independent_context(drawn.relevant, query, self._alpha, M1)
        irrelevant, kappa = irrelevant_part(drawn.irrelevant, M1, M2, self._K)
        query_irrelevant, query_kappa = irrelevant_part(drawn.query, M1, M2, self._K)
        return PatternPrompts(
            dictionary=self._dictionary,
            relevant=context.relevant,
            irrelevant=irrelevant,
            kappa=kappa.to(self._dtype),
            signs=context.signs.to(self._dtype),
            query_relevant=query.relevant,
            query_irrelevant=query_irrelevant,
            query_kappa=query_kappa.to(self._dtype),
            labels=query.labels.to(self._dtype),
            d_X=self._task.d_X,
            mask=mask,
        )


def _kappa_range(task: PatternClassification) -> float:
    """K', or K if the task is not shifted or its shift keeps K."""
    return task.K if task.shift is None or task.shift.K is None else task.shift.K
