"""Sizes of a GPT-2 that learns in context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator

from iclscope.core.errors import require, require_one_of
from iclscope.models.initial_gpt2 import InitialWeights
from iclscope.models.run_model import ModelConfig
from iclscope.tasks import Task
from iclscope.tasks.examples import TokenFormat

SIZES = {"tiny": (3, 2, 64), "small": (6, 4, 128), "standard": (12, 8, 256)}
"""Layers, heads and embedding of the three models of Garg 2022 (Appendix A.1)."""


class GPT2TransformerConfig(ModelConfig):
    """Sizes of a GPT-2 that reads examples (Garg 2022, Appendix A.1; Li 2024, Section 4: 3 layers, 2 heads)."""

    neutral_values: ClassVar[Mapping[str, Any]] = {"initial": "gpt2", "final_norm": True}

    kind: Literal["gpt2"] = Field("gpt2", description="which model this is")
    d_X: int = Field(20, ge=1, description="input dimension")
    d_Y: int = Field(1, ge=1, description="dimension of an answer; 1 for real numbers")
    tokens: TokenFormat = Field("alternating", description="columns [x; y] (Li 2024), or x and y in turn (Garg 2022)")
    layers: int = Field(3, ge=1, description="number of layers")
    heads: int = Field(2, ge=1, description="attention heads per layer")
    embedding: int = Field(64, ge=1, description="dimension of the residual stream, a multiple of heads")
    positions: int = Field(81, ge=1, description="the most tokens a prompt may have; 41 points in turn have 81")
    initial: InitialWeights = Field(
        "gpt2", description="initial matrices of the layers: gpt2, N(0, 0.02²), or fan_in, N(0, 1/inputs)"
    )

    final_norm: bool = Field(
        True, description="a layer norm before the read-out, as in GPT-2; without one an answer may be of any size"
    )

    @model_validator(mode="after")
    def _check(self) -> GPT2TransformerConfig:
        require(self.embedding % self.heads == 0, "embedding", self.embedding, f"a multiple of heads = {self.heads}")
        return self

    @classmethod
    def of_size(cls, size: str, **settings: Any) -> GPT2TransformerConfig:
        """A config of one of the published sizes: tiny, small or standard.

        Raises:
            BadRequest: if there is no such size, or another setting is not allowed.
        """
        require_one_of("size", size, SIZES)
        layers, heads, embedding = SIZES[size]
        return cls(**{"layers": layers, "heads": heads, "embedding": embedding, **settings})

    @property
    def token_width(self) -> int:
        """Numbers per token."""
        return self.d_X + self.d_Y if self.tokens == "columns" else max(self.d_X, self.d_Y)

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree for models to be stacked along the run axis: everything."""
        return tuple(self.model_dump().values())

    @property
    def title(self) -> str:
        """Kind and sizes in a few words."""
        return f"GPT-2 with {self.layers} layers, {self.heads} heads and embedding {self.embedding}"

    def summary(self) -> dict[str, float | str]:
        """The sizes in the papers' words, in the order to be shown."""
        sizes: dict[str, float | str] = {"layers": self.layers, "heads": self.heads, "embedding": self.embedding}
        initial = {"initial matrices": "N(0, 1/inputs)"} if self.initial == "fan_in" else {}
        final_norm = {} if self.final_norm else {"layer norm before the read-out": "none"}
        return {"model": "GPT-2", **sizes, **initial, **final_norm}

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of these sizes cannot read.

        Raises:
            BadRequest: naming what does not fit.
        """
        self.check_dimensions(task.d_X, task.d_Y)
        allowed = "alternating, to predict at every x"
        require(self.tokens == "alternating" or task.query_only, "tokens", self.tokens, allowed)
        self.check_length(task.length_range[1])

    def check_dimensions(self, d_X: int, d_Y: int) -> None:
        """Refuse columns of other dimensions.

        Raises:
            BadRequest: naming both.
        """
        own = (self.d_X, self.d_Y)
        require((d_X, d_Y) == own, "(d_X, d_Y) of the task", (d_X, d_Y), f"{own}, the model's")

    def check_length(self, length: int) -> None:
        """Refuse prompts that are longer than the positions.

        Args:
            length: context examples, the query not counted.

        Raises:
            BadRequest: naming the longest that fits.
        """
        most = self.most_points - 1
        allowed = f"at most {most}: {self.positions} positions hold no more examples and a query"
        require(length <= most, "length", length, allowed)

    @property
    def most_points(self) -> int:
        """The most points (context and query) that fit into a prompt."""
        return self.positions if self.tokens == "columns" else (self.positions + 1) // 2

    def runs_at_a_time(self, device: torch.device) -> int:
        """How many runs are worth training together: on a CPU none with another (docs/performance.md)."""
        return 16 if device.type == "cuda" else 1

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor: twelve products per layer and token."""
        tokens = (length + 1) * (1 if self.tokens == "columns" else 2)
        return 12 * self.layers * self.embedding**2 * tokens // 170  # measured beside the one-layer model
