"""The base of models with a run axis: runs, copies, checkpoints. A model adds its weights and `predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from iclscope.core.arguments import list_of, seeds_from
from iclscope.core.errors import require, unusable
from iclscope.core.files import user_path
from iclscope.core.html import html_settings
from iclscope.core.settings_text import with_settings
from iclscope.models.copies import copy_of_runs
from iclscope.models.expected import expect_place
from iclscope.models.model_config import ModelConfig as ModelConfig  # where models are made of one
from iclscope.models.pretrained import load_pretrained, write_pretrained
from iclscope.tasks.known import settings_of_tasks, task_from_settings
from iclscope.tasks.prompts import Sampler, TrainingPrompts
from iclscope.tasks.task import Task


class Matrix(NamedTuple):
    """How a weight is composed of matrices, for optimizers that update each matrix as a whole.

    Attributes:
        parts: how many stand beside each other along the outputs: three where Q, K and V are one weight.
        outputs_last: whether it is stored [in, out]; else [out, in].
    """

    parts: int = 1
    outputs_last: bool = True


Config = TypeVar("Config", bound=ModelConfig)


def has_matrices(model: type[Any]) -> bool:
    """Whether models of a class name matrices that Muon could move (`RunModel.matrices`)."""
    return getattr(model, "matrices", RunModel.matrices) is not RunModel.matrices


def has_bfloat16_gradients(model: type[Any]) -> bool:
    """Whether models of a class can be trained with products in bfloat16 (`RunModel.bfloat16_gradients`)."""
    return getattr(model, "bfloat16_gradients", RunModel.bfloat16_gradients) is not RunModel.bfloat16_gradients


class RunModel(nn.Module, Generic[Config]):
    """Many models of equal sizes, one per run; every weight has a leading run axis.

    A subclass names its ``config_type`` and sets its weights in ``set_initial_weights``.

    Attributes:
        configs: sizes and initial values of each run.
        seeds: the seed of each run's initial weights.
        trained_on: the task each run was trained on; None if that is not known.
    """

    config_type: ClassVar[type[Any]]
    probes: ClassVar[Mapping[str, str]] = {}
    """What can be measured inside it: name → a function (model, prompts, sampler) → records, as ``module:function``."""
    trained_on: tuple[Task, ...] | None = None

    def __init_subclass__(cls, **named: Any) -> None:
        """Let ``help()`` say which settings a model takes, and what each means."""
        super().__init_subclass__(**named)
        if hasattr(cls, "config_type"):
            cls.__doc__ = with_settings(cls.__doc__, cls.config_type)

    def __init__(
        self,
        *,
        seeds: int | Sequence[int] = 1,
        configs: Sequence[Config] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        **settings: Any,
    ) -> None:
        """Set the initial values.

        Args:
            seeds: one per run, or a number of runs (seeds 0, 1, …).
            configs: one config per run, of equal sizes; leave out to give ``settings`` instead.
            dtype: precision of the weights.
            device: where the weights live.
            settings: fields of the config, the same for all runs.

        Raises:
            BadRequest: if configs of different sizes are stacked, or their number is not that of the seeds.
        """
        super().__init__()
        expect_place(dtype, device)
        self.seeds = seeds_from(seeds)
        configs = None if configs is None else list_of("configs", configs, "configs, one per run")
        self.configs: tuple[Config, ...] = (
            tuple(configs) if configs else (self.config_type(**settings),) * len(self.seeds)
        )
        require(not (configs and settings), "settings", sorted(settings), "either configs or settings")
        require(len(self.configs) == len(self.seeds), "configs", len(self.configs), f"one per seed, {len(self.seeds)}")
        require(len({config.shape for config in self.configs}) == 1, "configs", len(self.configs), "equal sizes")
        self.set_initial_weights(dtype, torch.device(device))

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Create the weights, as a function of configs and seeds alone."""
        raise NotImplementedError(f"{type(self).__name__} says how its weights start")

    @classmethod
    def for_task(cls, task: Task, **settings: Any) -> Self:
        """A model with the input and answer dimensions of a task.

        Args:
            task: whose input and answer dimensions it gets.
            settings: the other fields of the config, ``seeds``, ``dtype`` and ``device``.
        """
        sizes = {name: getattr(task, name) for name in ("d_X", "d_Y") if name in cls.config_type.model_fields}
        return cls(**{**sizes, **settings})

    def _repr_html_(self) -> str:
        return html_settings(self.config.title, {**self.config.summary(), "seeds": ", ".join(map(str, self.seeds))})

    @property
    def config(self) -> Config:
        """The sizes of every run, and the initial values of the first."""
        return self.configs[0]

    @property
    def run_count(self) -> int:
        """The number of runs."""
        return len(self.seeds)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @classmethod
    def stacked(
        cls,
        configs: Sequence[Config],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Self:
        """The untrained models of these configs, one per run.

        Raises:
            BadRequest: if their sizes differ.
        """
        return cls(configs=configs, seeds=seeds, dtype=dtype, device=device)

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts the model cannot read.

        Raises:
            BadRequest: naming what does not fit.
        """
        self.config.check_task(task)

    def predict(self, prompts: Any) -> Any:
        """Read prompts, differentiably; the result has ``output``, ``attention`` and ``hidden``."""
        raise NotImplementedError(f"{type(self).__name__} says how it reads prompts")

    @property
    def neuron_count(self) -> int | None:
        """How many MLP neurons ``predict`` can be told to leave out, by a mask; None: it cannot."""
        return None

    @property
    def matrices(self) -> Mapping[str, Matrix]:
        """The weights inside it that are matrices from vectors to vectors, by name: what Muon moves; empty: none."""
        return {}

    def answers(
        self, sampler: Sampler, sizes: Iterable[tuple[int, int]], *, purpose: str, neurons: Tensor | None = None
    ) -> Iterator[tuple[Tensor, TrainingPrompts]]:
        """Outputs on prompts of a sampler, part by part; override it if there is a faster way than `predict`.

        Args:
            sampler: which prompts, for the same runs.
            sizes: step and number of prompts of each part.
            purpose: of the prompts.
            neurons: which MLP neurons to keep, of a model that has some; None: all.
        """
        for step, size in sizes:
            prompts = sampler.prompts(size, purpose=purpose, step=step)
            kept = {} if neurons is None else {"neurons": neurons}
            yield self.predict(prompts, **kept).output, prompts

    def compiled_gradients(self, sampler: Sampler, loss: str, optimizer: str) -> Callable[..., Any] | None:
        """Gradients that are faster than autograd for this sampler, loss and update rule; None: there are none.

        Returns:
            (model to begin with, batch size, state that was kept of an interrupted training) → a
            `training.gradients.Gradients`.
        """
        del sampler, loss, optimizer
        return None

    def bfloat16_gradients(self, sampler: Sampler, loss: str) -> Callable[..., Any] | None:
        """The same with operands of products rounded to bfloat16, under any update rule; None: there are none here."""
        del sampler, loss
        return None

    def assumed_task(self) -> Task | None:
        """The task to assume for a model that does not say what it was trained on; None: none."""
        return None

    def forward(self, *prompts: Any, **settings: Any) -> Any:
        """The same as `predict`, so that a model can be called like any module."""
        return self.predict(*prompts, **settings)

    def runs(self, indices: Sequence[int]) -> Self:
        """A copy that holds some of the runs, in the given order; frozen weights are frozen in it too."""
        chosen = list(indices)
        copy = copy_of_runs(self, chosen)
        copy.seeds = tuple(self.seeds[i] for i in chosen)
        copy.configs = tuple(self.configs[i] for i in chosen)
        if self.trained_on is not None:
            copy.trained_on = tuple(self.trained_on[i] for i in chosen)
        return copy

    def run(self, index: int) -> Self:
        """A copy that holds one run."""
        return self.runs([index])

    def untrained(self) -> Self:
        """The same runs at their initial values."""
        return type(self)(seeds=self.seeds, configs=self.configs, dtype=self.dtype, device=self.device)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, atomically.

        Args:
            folder: made if it does not exist; an older checkpoint in it is replaced only once the new one is whole.
        """
        config = {
            "model": type(self).__name__,
            "seeds": list(self.seeds),
            "trained_on": settings_of_tasks(self.trained_on),
            "runs": [config.model_dump() for config in self.configs],
        }
        write_pretrained(user_path(folder, "folder"), config, dict(self.state_dict()))

    @classmethod
    def configs_of(cls, noted: Mapping[str, Any]) -> list[Any]:
        """The configs of all runs, from what a checkpoint's ``config.json`` says."""
        return [cls.config_type(**run) for run in noted["runs"]]

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: torch.device | str = "cpu") -> Self:
        """Load what `save_pretrained` wrote.

        Raises:
            BadRequest: if the folder holds no checkpoint, a broken one, or one of another model.
        """
        config, weights = load_pretrained(user_path(folder, "folder"), cls.__name__, device)
        try:
            model = cls(
                seeds=config["seeds"],
                configs=cls.configs_of(config),
                dtype=next(iter(weights.values())).dtype,
                device=device,
            )
            model.load_state_dict(weights)
            if config.get("trained_on") is not None:
                model.trained_on = tuple(task_from_settings(task) for task in config["trained_on"])
        except (KeyError, TypeError, ValueError, RuntimeError, StopIteration) as error:
            reason = " ".join(str(error).split())
            raise unusable("checkpoint", str(folder), f"it does not fit the model ({reason})") from error
        return model
