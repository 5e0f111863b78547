"""Linear self-attention: the model of von Oswald 2023 (Section 2) and Zhang 2024 (Section 3.1), of one or more layers.

    e_j ← e_j + W_PV Σ_i e_i (e_iᵀ W_KQ e_j) / N        tokens e_j = (x_j, y_j), the query's y zero

N is the number of context examples. Von Oswald leaves the query out of the sum and reads minus the query's y; Zhang
keeps it in and reads the y itself. Every weight has a leading run axis.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.models.run_model import ModelConfig, RunModel
from iclscope.tasks import ExamplePrompts, Task
from iclscope.tasks.examples import examples_of


class LinearAttentionConfig(ModelConfig):
    """Sizes and initial values of one run."""

    kind: Literal["linear_attention"] = Field("linear_attention", description="which model this is")
    d_X: int = Field(10, ge=1, description="input dimension")
    d_Y: int = Field(1, ge=1, le=1, description="dimension of an answer")
    layers: int = Field(1, ge=1, description="number of layers K")
    recurrent: bool = Field(False, description="one set of weights for all layers")
    query_in_context: bool = Field(False, description="whether tokens attend to the query's too (Zhang 2024)")
    output_sign: Literal[-1, 1] = Field(
        1, description="the prediction is the query's y after the layers times this; −1 in von Oswald 2023"
    )
    initial: Literal["normal", "zhang"] = Field(
        "normal",
        description="initial weights: N(0, initial_scale²), or s·blockdiag(TTᵀ, 0) and s·diag(0, 1) with s = "
        "initial_scale and ‖TTᵀ‖ = 1 (Zhang 2024, Assumption 3.3)",
    )
    initial_scale: float = Field(0.002, gt=0, description="scale of the initial weights; von Oswald: 0.002/K")

    @model_validator(mode="after")
    def _check(self) -> LinearAttentionConfig:
        require_finite([("initial_scale", self.initial_scale)])
        require(self.initial == "normal" or self.layers == 1, "layers", self.layers, "1 with initial = 'zhang'")
        return self

    @property
    def d(self) -> int:
        """Dimension of a token, d_X + d_Y."""
        return self.d_X + self.d_Y

    @property
    def weight_sets(self) -> int:
        """How many layers have weights of their own."""
        return 1 if self.recurrent else self.layers

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for models to be stacked along the run axis; initial values may differ."""
        return (self.d_X, self.d_Y, self.layers, self.recurrent, self.query_in_context, self.output_sign)

    @property
    def title(self) -> str:
        """The model in a few words."""
        return f"linear attention with {self.layers} layer{'s' * (self.layers > 1)}"

    def summary(self) -> dict[str, float | str]:
        """The sizes in the papers' words, in the order to be shown."""
        shared = ", shared weights" if self.recurrent else ""
        return {"model": "linear attention", "layers": f"{self.layers}{shared}", "initial scale": self.initial_scale}

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of these sizes cannot read; every length will do.

        Raises:
            BadRequest: naming what does not fit.
        """
        own = (self.d_X, self.d_Y)
        require((task.d_X, task.d_Y) == own, "(d_X, d_Y) of a task", (task.d_X, task.d_Y), f"{own}, the model's")
        allowed = "the query alone: linear attention answers one query per prompt"
        require(task.query_only, "predictions", "every", allowed)
        shortest, _ = task.length_range
        if self.initial == "zhang" and task.input_moment is not None and shortest > 0:
            self._warn_of_start(task.input_moment, shortest)

    def _warn_of_start(self, moment: NDArray[np.float64], length: int) -> None:
        """Say so where the start breaks what Theorem 4.1 of Zhang 2024 asks for: s²‖Γ‖√d < 2."""
        eigenvalues = np.linalg.eigvalsh(moment)
        largest = (1 + 1 / length) * eigenvalues[-1] + eigenvalues.sum() / length
        value = self.initial_scale**2 * largest * self.d_X**0.5
        if value >= 2:
            warnings.warn(
                f"initial_scale = {self.initial_scale:g} breaks s²‖Γ‖√d < 2 (it is {value:.3g}): Theorem 4.1 of Zhang "
                "2024 does not say where gradient flow ends",
                stacklevel=3,
            )

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor."""
        return self.layers * (length + self.d) * self.d // 4 + self.d


class LinearAttentionPrediction(NamedTuple):
    """What the model says of a batch of prompts.

    Attributes:
        output: the prediction at the query.
        attention: e_iᵀ W_KQ e_query / N of the last layer, over all points; 0 where nothing is attended to. Not a
            distribution: linear attention has no softmax.
        hidden: the query's token after the last layer.
    """

    output: Float[Tensor, "run batch"]
    attention: Float[Tensor, "run batch points"]
    hidden: Float[Tensor, "run batch d"]


class LinearAttention(RunModel[LinearAttentionConfig]):
    """Many linear transformers of equal sizes, one per run.

    Attributes:
        W_KQ: products of keys and queries of every layer, [run, layer, d, d].
        W_PV: products of output projection and values of every layer, [run, layer, d, d].
    """

    config_type = LinearAttentionConfig

    W_KQ: Tensor
    W_PV: Tensor

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Normal entries, or the start that Zhang 2024 analyses."""
        W_KQ, W_PV = _initial_weights(self.configs, self.seeds, device)
        self.W_KQ = nn.Parameter(W_KQ.to(dtype))
        self.W_PV = nn.Parameter(W_PV.to(dtype))

    def predict(self, prompts: ExamplePrompts) -> LinearAttentionPrediction:
        """Read prompts of one query each; differentiable in the weights and in the prompts' inputs.

        Raises:
            BadRequest: if the prompts ask for a prediction at every x.
        """
        examples = examples_of(prompts)
        context, query_at = examples.context_mask(), examples.query_at
        assert query_at is not None
        known = context[..., None].to(examples.answers)
        tokens = torch.cat([examples.inputs, examples.answers * known], dim=3)
        mask = context
        if self.config.query_in_context:
            mask = context | (torch.arange(context.shape[2], device=context.device) == query_at[..., None])
        count = context.sum(dim=2).clamp(min=1).to(tokens)
        return self._read(tokens, mask, count, query_at)

    def _read(
        self,
        tokens: Float[Tensor, "run batch points d"],
        mask: Bool[Tensor, "run batch points"],
        count: Float[Tensor, "run batch"],
        query_at: Tensor,
    ) -> LinearAttentionPrediction:
        """All layers; the context is read through Σ e eᵀ, so a layer costs O(points·d²), never O(points²·d).

        Of the last one only the query's token is needed, which costs O(points·d): with a single layer that is all.
        """
        attended = mask[..., None].to(tokens)
        weights = [(self.W_KQ[:, layer], self.W_PV[:, layer]) for layer in range(self.config.weight_sets)]
        for layer in range(self.config.layers - 1):
            W_KQ, W_PV = weights[0 if self.config.recurrent else layer]
            seen = tokens * attended
            moments = seen.transpose(2, 3) @ seen / count[..., None, None]
            # e_j + W_PV S W_KQ e_j for every token j, one row each.
            tokens = tokens + tokens @ (W_PV[:, None] @ moments @ W_KQ[:, None]).transpose(2, 3)
        W_KQ, W_PV = weights[-1]
        at_query = query_at[..., None, None].expand(-1, -1, 1, tokens.shape[3])
        query = tokens.gather(2, at_query)[:, :, 0]
        seen = tokens * attended
        scores = torch.einsum("rbpd,rbd->rbp", seen, query @ W_KQ.transpose(1, 2)) / count[..., None]
        query = query + torch.einsum("rbp,rbpd->rbd", scores, seen) @ W_PV.transpose(1, 2)
        return LinearAttentionPrediction(self.config.output_sign * query[..., -1], scores, query)

    def with_weights(
        self, W_KQ: Float[Tensor, "run layer d d"], W_PV: Float[Tensor, "run layer d d"]
    ) -> LinearAttention:
        """A copy with given weights, for constructions and interpolations.

        Args:
            W_KQ: products of keys and queries; a layer axis of 1 where weights are shared.
            W_PV: products of projection and values.
        """
        copy = self.runs(range(self.run_count))
        copy.load_state_dict({"W_KQ": W_KQ.to(self.W_KQ), "W_PV": W_PV.to(self.W_PV)})
        return copy


def _initial_weights(
    configs: Sequence[LinearAttentionConfig], seeds: Sequence[int], device: torch.device | str
) -> tuple[Float[Tensor, "run layer d d"], Float[Tensor, "run layer d d"]]:
    """W_KQ and W_PV of every run before training, in float64."""
    sets, d, d_X = configs[0].weight_sets, configs[0].d, configs[0].d_X
    stream = RandomStream.from_seeds(seeds, "initial weights", device)
    W_KQ, W_PV = stream.normal(sets, d, d), stream.at(1).normal(sets, d, d)
    zhang = torch.tensor([config.initial == "zhang" for config in configs], device=device)
    T = stream.at(2).normal(d_X, d_X)
    square = T @ T.transpose(1, 2)
    W_KQ[zhang], W_PV[zhang] = 0.0, 0.0
    W_KQ[zhang, :, :d_X, :d_X] = (square / torch.linalg.matrix_norm(square, keepdim=True))[zhang, None]
    W_PV[zhang, :, d_X, d_X] = 1.0
    scale = torch.tensor([config.initial_scale for config in configs], dtype=torch.float64, device=device)
    return W_KQ * scale[:, None, None, None], W_PV * scale[:, None, None, None]
