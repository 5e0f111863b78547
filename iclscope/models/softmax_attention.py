"""One layer of softmax attention with one trained matrix (Huang 2024): values read the answers, Q scores the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from iclscope.errors import BadRequest, require
from iclscope.models.pretrained import load_pretrained, write_pretrained
from iclscope.settings import Settings
from iclscope.tasks import CountPrompts, ExamplePrompts, Task, task_from_settings
from iclscope.tasks.examples import InContextExamples


class SoftmaxAttentionConfig(Settings):
    """Size of one run; there is nothing else to choose, since Q starts at zero."""

    kind: Literal["softmax_attention"] = Field("softmax_attention", description="which model this is")
    d_X: int = Field(10, ge=1, description="input dimension; Q has as many rows and columns")

    @property
    def shape(self) -> tuple[int, ...]:
        """What must agree for models to be stacked along the run axis."""
        return (self.d_X,)

    def described(self) -> dict[str, float | str]:
        """The size in the paper's symbols, in the order to be shown."""
        return {"model": "one layer of softmax attention, Q(0) = 0", "d": self.d_X}

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of this size cannot read; every length will do.

        Raises:
            BadRequest: naming what does not fit.
        """
        require(task.d_X == self.d_X, "d_X of the task", task.d_X, f"{self.d_X}, the model's")
        require(task.d_Y == 1, "d_Y of the task", task.d_Y, "1: the model gives a mean of answers, one number")
        allowed = "the query alone: this model answers one query per prompt"
        require(task.query_only, "predictions", "every", allowed)

    def runs_at_a_time(self, device: torch.device) -> int:  # noqa: ARG002 (the same on every device)
        """How many runs are worth training together."""
        return 16

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor: drawing it, and scores of every query."""
        return 2 * length + self.d_X**2


class AttentionPrediction(NamedTuple):
    """What the model says of a batch of prompts.

    Attributes:
        output: ŷ = Σ_i y_i softmax_i(x_iᵀ Q x_query); on counts one for each of the K functions.
        attention: softmax weights over the context, summing to 1 (0 where there is no example): per example, or on
            counts per feature, summed over its examples.
        hidden: what the layer hands on: the attended answers, one axis for their entries.
    """

    output: Float[Tensor, "run batch *functions"]
    attention: Float[Tensor, "run batch length"]
    hidden: Float[Tensor, "run batch d_Y"]


class SoftmaxAttention(nn.Module):
    """Many layers of softmax attention, one per run.

    Attributes:
        configs: the size of each run.
        seeds: the seed of each run, of its features and prompts; no weight depends on it.
        Q: the trained bilinear form, [run, d_X, d_X]; zero before training. Row index: context; column index: query.
        trained_on: the task each run was trained on; None if that is not known.
    """

    trained_on: tuple[Task, ...] | None = None

    Q: Tensor

    def __init__(
        self,
        *,
        seeds: int | Sequence[int] = 1,
        configs: Sequence[SoftmaxAttentionConfig] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        **settings: Any,
    ) -> None:
        """Set Q to zero, so that every example gets the same attention.

        Args:
            seeds: one per run, or a number of runs (seeds 0, 1, …).
            configs: one config per run, of equal sizes; leave out to give ``settings`` instead.
            dtype: precision of the weights.
            device: where the weights live.
            settings: fields of `SoftmaxAttentionConfig`, the same for all runs.

        Raises:
            BadRequest: if configs of different sizes are stacked, or their number is not that of the seeds.
        """
        super().__init__()
        self.seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
        require(len(self.seeds) > 0, "seeds", seeds, "at least one run")
        require(not (configs and settings), "settings", sorted(settings), "either configs or settings")
        self.configs = tuple(configs) if configs else (SoftmaxAttentionConfig(**settings),) * len(self.seeds)
        allowed = f"one per seed, {len(self.seeds)}"
        require(len(self.configs) == len(self.seeds), "configs", len(self.configs), allowed)
        require(len({config.shape for config in self.configs}) == 1, "configs", len(self.configs), "equal sizes")
        d = self.configs[0].d_X
        self.Q = nn.Parameter(torch.zeros(len(self.seeds), d, d, dtype=dtype, device=device))

    @property
    def run_count(self) -> int:
        """The number of runs."""
        return len(self.seeds)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.Q.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.Q.device

    def extra_repr(self) -> str:
        """Size and runs, for ``print(model)``."""
        return f"d_X={self.configs[0].d_X}, runs={self.run_count}"

    @classmethod
    def stacked(
        cls,
        configs: Sequence[SoftmaxAttentionConfig],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> SoftmaxAttention:
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
        self.configs[0].check_task(task)

    def predict(self, prompts: ExamplePrompts) -> AttentionPrediction:
        """Read prompts; differentiable in Q.

        A prompt of N examples costs O(d² + N·d); feature counts cost O(K) per query, whatever N is.

        Args:
            prompts: a batch per run, of one query each, or `CountPrompts`.

        Raises:
            BadRequest: if the prompts ask for a prediction at every x.
        """
        if isinstance(prompts, CountPrompts):
            return self._of_counts(prompts)
        return self.of_examples(prompts.examples())

    forward = predict

    def of_examples(self, examples: InContextExamples) -> AttentionPrediction:
        """Read prompts whose examples are written out; the plain way, and the reference for counts."""
        mask = examples.context_mask()
        scores = torch.einsum("rbpd,rde,rbe->rbp", examples.inputs, self.Q, examples.query())
        # A prompt without any example attends to nothing, and its output is 0.
        attention = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=2) * mask
        hidden = torch.einsum("rbp,rbpy->rby", attention, examples.answers)
        return AttentionPrediction(hidden[..., 0] if hidden.shape[2] == 1 else hidden, attention, hidden)

    def _of_counts(self, prompts: CountPrompts) -> AttentionPrediction:
        """n_j equal columns get n_j times the weight of one: log n_j is added to their score."""
        scores = prompts.features @ self.Q @ prompts.features.transpose(1, 2)
        of_query = scores[:, :, prompts.queries].transpose(1, 2)
        attention = (of_query[:, None] + prompts.counts.log()[:, :, None]).softmax(dim=3).flatten(1, 2)
        hidden = attention * prompts.answer_scale
        return AttentionPrediction(hidden, attention, hidden)

    def runs(self, indices: Sequence[int]) -> SoftmaxAttention:
        """A copy that holds some of the runs, in the given order."""
        chosen = list(indices)
        copy = SoftmaxAttention(
            seeds=[self.seeds[i] for i in chosen],
            configs=[self.configs[i] for i in chosen],
            dtype=self.dtype,
            device=self.device,
        )
        copy.load_state_dict({name: tensor[chosen] for name, tensor in self.state_dict().items()})
        if self.trained_on is not None:
            copy.trained_on = tuple(self.trained_on[i] for i in chosen)
        return copy

    def run(self, index: int) -> SoftmaxAttention:
        """A copy that holds one run."""
        return self.runs([index])

    def untrained(self) -> SoftmaxAttention:
        """The same runs at Q = 0."""
        return SoftmaxAttention(seeds=self.seeds, configs=self.configs, dtype=self.dtype, device=self.device)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, atomically.

        Args:
            folder: made if it does not exist; an older checkpoint in it is replaced only once the new one is whole.
        """
        config = {
            "model": type(self).__name__,
            "seeds": list(self.seeds),
            "trained_on": None if self.trained_on is None else [task.model_dump() for task in self.trained_on],
            "runs": [config.model_dump() for config in self.configs],
        }
        write_pretrained(Path(folder), config, dict(self.state_dict()))

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: torch.device | str = "cpu") -> SoftmaxAttention:
        """Load what `save_pretrained` wrote.

        Raises:
            BadRequest: if the folder holds no checkpoint, a broken one, or one of another model.
        """
        config, weights = load_pretrained(Path(folder), cls.__name__, device)
        try:
            configs = [SoftmaxAttentionConfig(**run) for run in config["runs"]]
            model = cls(seeds=config["seeds"], configs=configs, dtype=weights["Q"].dtype, device=device)
            model.load_state_dict(weights)
            if config.get("trained_on") is not None:
                model.trained_on = tuple(task_from_settings(task) for task in config["trained_on"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise BadRequest(
                f"checkpoint = {str(folder)!r} is not allowed: it does not fit the model ({reason})"
            ) from error
        return model
