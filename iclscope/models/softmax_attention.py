"""One layer of softmax attention with one trained matrix (Huang 2024): values read the answers, Q scores the inputs."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from iclscope.core.errors import require
from iclscope.core.overrides import is_plain
from iclscope.models.run_model import ModelConfig, RunModel
from iclscope.tasks import CountedPrompts, ExamplePrompts, Task
from iclscope.tasks.examples import InContextExamples, examples_of


class SoftmaxAttentionConfig(ModelConfig):
    """Size of one run; there is nothing else to choose, since Q starts at zero."""

    kind: Literal["softmax_attention"] = Field("softmax_attention", description="which model this is")
    d_X: int = Field(10, ge=1, description="input dimension; Q has as many rows and columns")

    @property
    def shape(self) -> tuple[int, ...]:
        """What must agree for models to be stacked along the run axis."""
        return (self.d_X,)

    @property
    def title(self) -> str:
        """The model in a few words."""
        return f"one layer of softmax attention of dimension {self.d_X}"

    def summary(self) -> dict[str, float | str]:
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


class SoftmaxAttention(RunModel[SoftmaxAttentionConfig]):
    """Many layers of softmax attention, one per run.

    Attributes:
        Q: the trained bilinear form, [run, d_X, d_X]. Row index: context; column index: query.
    """

    config_type = SoftmaxAttentionConfig

    Q: Tensor

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Q(0) = 0, so that every example gets the same attention; no weight depends on the seed."""
        d = self.config.d_X
        self.Q = nn.Parameter(torch.zeros(self.run_count, d, d, dtype=dtype, device=device))

    def extra_repr(self) -> str:
        """Size and runs, for ``print(model)``."""
        return f"d_X={self.config.d_X}, runs={self.run_count}"

    def predict(self, prompts: ExamplePrompts | CountedPrompts) -> AttentionPrediction:
        """Read prompts; differentiable in Q.

        A prompt of N examples costs O(d² + N·d); feature counts cost O(K) per query, whatever N is.

        Args:
            prompts: a batch per run, of one query each, or `CountedPrompts`.

        Raises:
            BadRequest: if the prompts ask for a prediction at every x.
        """
        if isinstance(prompts, CountedPrompts):
            # A derived class that reads examples otherwise is asked, at the cost of writing them out.
            plain = is_plain(self, SoftmaxAttention, "of_examples")
            return self._of_counts(prompts) if plain else self.of_examples(prompts.written_out())
        return self.of_examples(examples_of(prompts))

    def of_examples(self, examples: InContextExamples) -> AttentionPrediction:
        """Read prompts whose examples are written out; the plain way, and the reference for counts."""
        mask = examples.context_mask()
        scores = torch.einsum("rbpd,rde,rbe->rbp", examples.inputs, self.Q, examples.query())
        # A prompt without any example attends to nothing, and its output is 0.
        attention = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=2) * mask
        hidden = torch.einsum("rbp,rbpy->rby", attention, examples.answers)
        return AttentionPrediction(hidden[..., 0] if hidden.shape[2] == 1 else hidden, attention, hidden)

    def _of_counts(self, prompts: CountedPrompts) -> AttentionPrediction:
        """n_j equal columns get n_j times the weight of one: log n_j is added to their score."""
        scores = prompts.features @ self.Q @ prompts.features.transpose(1, 2)
        of_query = scores[:, :, prompts.queries].transpose(1, 2)
        attention = (of_query[:, None] + prompts.counts.log()[:, :, None]).softmax(dim=3).flatten(1, 2)
        hidden = attention * prompts.answer_scale
        return AttentionPrediction(hidden, attention, hidden)
