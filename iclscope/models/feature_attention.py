"""A layer of linear self-attention on the features of an MLP (von Oswald 2023, Section 4: sine regression).

    m(x) = A_3 gelu(A_2 gelu(A_1 x + b_1) + b_2) + b_3        tokens e_i = (m(x_i), y_i)
    ŷ = −[W_PV (1/N) Σ_i e_i e_iᵀ W_KQ (m(x_query), 0)]_y

The MLP and the layer are trained together. With ``rule = "gradient_descent"`` the layer's weights are the construction
of Proposition 1 and only its η is trained: a step of gradient descent, from 0, on features learnt for it. Widths and
the activation are ours: our source gives none. Every weight has a leading run axis.
"""

from __future__ import annotations

import math
from itertools import pairwise
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


class FeatureAttentionConfig(ModelConfig):
    """Sizes and initial values of one run."""

    kind: Literal["feature_attention"] = Field("feature_attention", description="which model this is")
    d_X: int = Field(1, ge=1, description="input dimension")
    hidden: int = Field(40, ge=1, description="neurons of both hidden layers of the MLP")
    features: int = Field(20, ge=1, description="features m(x) that the attention layer reads")
    rule: Literal["attention", "gradient_descent"] = Field(
        "attention", description="trained attention weights, or those of the construction with a trained η"
    )
    initial_scale: float = Field(
        0.1, gt=0, description="attention weights start at N(0, initial_scale²), η at its square"
    )

    @model_validator(mode="after")
    def _check(self) -> FeatureAttentionConfig:
        require_finite([("initial_scale", self.initial_scale)])
        return self

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for models to be stacked along the run axis; initial values may differ."""
        return (self.d_X, self.hidden, self.features, self.rule)

    @property
    def title(self) -> str:
        """The model in a few words."""
        return "an MLP with a layer of attention on its features"

    def summary(self) -> dict[str, float | str]:
        """The sizes in words, in the order to be shown."""
        layer = "linear attention" if self.rule == "attention" else "a step of gradient descent"
        return {"model": f"MLP and {layer}", "hidden": self.hidden, "features": self.features}

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of these sizes cannot read.

        Raises:
            BadRequest: naming what does not fit.
        """
        own = (self.d_X, 1)
        require((task.d_X, task.d_Y) == own, "(d_X, d_Y) of a task", (task.d_X, task.d_Y), f"{own}, the model's")
        require(task.query_only, "predictions", "every", "the query alone: one query per prompt")

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor."""
        return length * (self.hidden * (self.hidden + self.features) + self.features * self.features)


class FeatureAttentionPrediction(NamedTuple):
    """What the model says of a batch of prompts.

    Attributes:
        output: the prediction at the query.
        attention: e_iᵀ W_KQ e_query / N over all points; 0 on what is not context.
        hidden: the features of all points.
    """

    output: Float[Tensor, "run batch"]
    attention: Float[Tensor, "run batch points"]
    hidden: Float[Tensor, "run batch points features"]


class FeatureAttention(RunModel[FeatureAttentionConfig]):
    """Many such models of equal sizes, one per run.

    Attributes:
        A_1, A_2, A_3: weights of the MLP.
        b_1, b_2, b_3: its biases.
        W_KQ: product of keys and queries; not there with the rule of gradient descent.
        W_PV: product of output projection and values; likewise.
        eta: η of the rule of gradient descent, [run, 1]; not there otherwise.
    """

    config_type = FeatureAttentionConfig

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Uniform on ±1/√inputs, as PyTorch's linear layers; the attention layer normal."""
        stream = RandomStream.from_seeds(self.seeds, "initial weights", device)
        config, runs = self.config, self.run_count
        sizes = [config.d_X, config.hidden, config.hidden, config.features]
        for layer, (width_in, width_out) in enumerate(pairwise(sizes), start=1):
            numbers = (2 * stream.at(layer).uniform(width_out, width_in + 1) - 1) / math.sqrt(width_in)
            self.register_parameter(f"A_{layer}", nn.Parameter(numbers[..., :-1].to(dtype)))
            self.register_parameter(f"b_{layer}", nn.Parameter(numbers[..., -1].to(dtype)))
        scales = [config.initial_scale for config in self.configs]
        scale = torch.tensor(scales, dtype=torch.float64, device=device)
        if config.rule == "gradient_descent":
            self.eta = nn.Parameter((scale[:, None] ** 2).to(dtype))
            return
        d = config.features + 1
        self.W_KQ = nn.Parameter((stream.at(10).normal(d, d) * scale.reshape(runs, 1, 1)).to(dtype))
        self.W_PV = nn.Parameter((stream.at(11).normal(d, d) * scale.reshape(runs, 1, 1)).to(dtype))

    def features(self, inputs: Float[Tensor, "run batch points d_X"]) -> Float[Tensor, "run batch points features"]:
        """m(x) of every point."""
        runs, batch, points, _ = inputs.shape
        values = inputs.reshape(runs, batch * points, -1)
        for layer in (1, 2, 3):
            weight, bias = self.get_parameter(f"A_{layer}"), self.get_parameter(f"b_{layer}")
            values = torch.baddbmm(bias[:, None], values, weight.transpose(1, 2))
            values = nn.functional.gelu(values) if layer < 3 else values
        return values.reshape(runs, batch, points, -1)

    def layer_weights(self) -> tuple[Float[Tensor, "run d d"], Float[Tensor, "run d d"]]:
        """W_KQ and W_PV: trained, or those of gradient descent with the trained η."""
        if self.config.rule == "attention":
            return self.W_KQ, self.W_PV
        zero = torch.zeros(self.config.features + 1, dtype=self.dtype, device=self.device)
        last = zero.clone()
        last[-1] = 1.0
        return torch.diag(1 - last).expand(self.run_count, -1, -1), -self.eta[..., None] * torch.diag(last)

    def predict(self, prompts: ExamplePrompts) -> FeatureAttentionPrediction:
        """Read prompts of one query each.

        Raises:
            BadRequest: if the prompts ask for a prediction at every x.
        """
        examples = examples_of(prompts)
        context, query_at = examples.context_mask(), examples.query_at
        assert query_at is not None
        features = self.features(examples.inputs)
        known = context[..., None].to(features)
        tokens = torch.cat([features, examples.answers * known], dim=3)
        seen = tokens * known
        count = context.sum(dim=2).clamp(min=1).to(tokens)
        W_KQ, W_PV = self.layer_weights()
        query = tokens.gather(2, query_at[..., None, None].expand(-1, -1, 1, tokens.shape[3]))
        # e_iᵀ W_KQ e_query / N, one column per prompt.
        scores = seen @ (query @ W_KQ[:, None].transpose(2, 3)).transpose(2, 3) / count[..., None, None]
        summed = (scores.transpose(2, 3) @ seen)[:, :, 0]
        output = -torch.einsum("rd,rbd->rb", W_PV[:, -1], summed)
        return FeatureAttentionPrediction(output, scores[..., 0], features)
