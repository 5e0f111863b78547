"""Two layers of attention on interleaved tokens x_1, y_1, x_2, …, the first with softmax (von Oswald 2023, Section 5).

    e_j ← e_j + W_PV Σ_i softmax_i(e_iᵀ W_KQ e_j) e_i        first layer
    e_j ← e_j + W_PV Σ_i e_i (e_iᵀ W_KQ e_j) / N             second layer, as `LinearAttention`

A token is [x; y; position] with x or y zero. The position is one coordinate per place, 1 there (ours: our source says
positional encodings, not which). The query, an x without its y, is left out of keys and values; the prediction is minus
its y. Every weight has a leading run axis.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.models.run_model import ModelConfig, RunModel
from iclscope.tasks import ExamplePrompts, Task
from iclscope.tasks.examples import examples_of


class InterleavedAttentionConfig(ModelConfig):
    """Sizes and initial values of one run."""

    kind: Literal["interleaved_attention"] = Field("interleaved_attention", description="which model this is")
    d_X: int = Field(10, ge=1, description="input dimension")
    length: int = Field(10, ge=1, description="the most context examples N; they have 2N + 1 places with the query")
    initial_scale: float = Field(0.02, gt=0, description="initial weights are N(0, initial_scale²)")

    @model_validator(mode="after")
    def _check(self) -> InterleavedAttentionConfig:
        require_finite([("initial_scale", self.initial_scale)])
        return self

    @property
    def d(self) -> int:
        """Dimension of a token: x, y, and a coordinate per place."""
        return self.d_X + 1 + 2 * self.length + 1

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for models to be stacked along the run axis; initial values may differ."""
        return (self.d_X, self.length)

    @property
    def title(self) -> str:
        """The model in a few words."""
        return "two layers of attention on interleaved tokens"

    def summary(self) -> dict[str, float | str]:
        """The sizes in the paper's words, in the order to be shown."""
        return {
            "model": "interleaved tokens",
            "layers": "2, softmax in the first",
            "initial scale": self.initial_scale,
        }

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of these sizes cannot read.

        Raises:
            BadRequest: naming what does not fit.
        """
        own = (self.d_X, 1)
        require((task.d_X, task.d_Y) == own, "(d_X, d_Y) of a task", (task.d_X, task.d_Y), f"{own}, the model's")
        require(task.query_only, "predictions", "every", "the query alone: one query per prompt")
        longest = task.length_range[1]
        require(longest <= self.length, "length of a task", longest, f"at most {self.length}, the model's")

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor."""
        return (4 * length * length * self.d + 4 * length * self.d * self.d) // 4


class InterleavedAttentionPrediction(NamedTuple):
    """What the model says of a batch of prompts.

    Attributes:
        output: the prediction at the query.
        attention: of every token (third axis) on every token in the first layer; 0 on what is not attended to.
        hidden: the tokens after the second layer.
    """

    output: Float[Tensor, "run batch"]
    attention: Float[Tensor, "run batch tokens tokens"]
    hidden: Float[Tensor, "run batch tokens d"]


class InterleavedAttention(RunModel[InterleavedAttentionConfig]):
    """Many such models of equal sizes, one per run.

    Attributes:
        W_KQ: products of keys and queries of both layers, [run, 2, d, d].
        W_PV: products of output projection and values of both layers, [run, 2, d, d].
    """

    config_type = InterleavedAttentionConfig

    W_KQ: Tensor
    W_PV: Tensor

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Normal entries."""
        d = self.config.d
        stream = RandomStream.from_seeds(self.seeds, "initial weights", device)
        scales = [config.initial_scale for config in self.configs]
        scale = torch.tensor(scales, dtype=torch.float64, device=device)[:, None, None, None]
        self.W_KQ = nn.Parameter((stream.normal(2, d, d) * scale).to(dtype))
        self.W_PV = nn.Parameter((stream.at(1).normal(2, d, d) * scale).to(dtype))

    def predict(self, prompts: ExamplePrompts) -> InterleavedAttentionPrediction:
        """Read prompts of one query each.

        Raises:
            BadRequest: if the prompts ask for a prediction at every x, or are longer than the model's places.
        """
        examples = examples_of(prompts)
        context = examples.context_mask()
        longest = examples.inputs.shape[2] - 1
        require(longest <= self.config.length, "length", longest, f"at most {self.config.length}, the model's places")
        query_at = examples.query_at
        assert query_at is not None
        tokens = self._tokens(examples.inputs, examples.answers * context[..., None].to(examples.answers))
        # x and y of every example before the query.
        attended = context.repeat_interleave(2, dim=2)[:, :, :-1]
        count = context.sum(dim=2).clamp(min=1).to(tokens)
        W_KQ, W_PV = self.W_KQ[:, None], self.W_PV[:, None]
        # [j, i] of this product is e_iᵀ W_KQ e_j: the token that attends comes first, as softmax wants it.
        scores = tokens @ (tokens @ W_KQ[:, :, 0]).transpose(2, 3)
        scores = scores.masked_fill(~attended[:, :, None], -torch.inf)
        # Without any context there is nothing to attend to.
        attention = torch.where(attended[:, :, None], scores.softmax(dim=3), torch.zeros_like(scores))
        tokens = tokens + attention @ tokens @ W_PV[:, :, 0].transpose(2, 3)
        seen = tokens * attended[..., None].to(tokens)
        moments = seen.transpose(2, 3) @ seen / count[..., None, None]
        tokens = tokens + tokens @ (W_PV[:, :, 1] @ moments @ W_KQ[:, :, 1]).transpose(2, 3)
        at_query = (2 * query_at)[..., None, None].expand(-1, -1, 1, tokens.shape[3])
        output = -tokens.gather(2, at_query)[:, :, 0, self.config.d_X]
        return InterleavedAttentionPrediction(output, attention, tokens)

    def _tokens(
        self, inputs: Float[Tensor, "run batch points d_X"], answers: Float[Tensor, "run batch points 1"]
    ) -> Float[Tensor, "run batch tokens d"]:
        """x_1, y_1, x_2, …, x_query, each in coordinates of its own and with its place."""
        runs, batch, points, d_X = inputs.shape
        pairs = torch.stack([nn.functional.pad(inputs, (0, 1)), nn.functional.pad(answers, (d_X, 0))], dim=3)
        values = pairs.reshape(runs, batch, 2 * points, d_X + 1)[:, :, :-1]
        places = torch.eye(2 * points - 1, 2 * self.config.length + 1, dtype=values.dtype, device=values.device)
        return torch.cat([values, places.expand(runs, batch, -1, -1)], dim=3)
