"""The one-layer transformer of Li 2024: softmax attention, then a ReLU MLP (Section 2, equation 2).

    F(Ψ; P) = Σ_i a_i ReLU( W_O(i,·) Σ_s W_V p_s attn(Ψ; P, s) )
    attn(Ψ; P, s) = softmax_s( (W_K p_s)ᵀ W_Q p_query )        s = 1 … l, the query is not attended to

No bias, no 1/√d. Every tensor has a leading run axis: many models, of different seeds and initial scales, are one
object, and a single model is the case of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.models.run_model import ModelConfig, RunModel
from iclscope.tasks import ExamplePrompts, Prompts, Sampler, Task, columns_of
from iclscope.tasks.prompts import TrainingPrompts

TRAINED = ("W_Q", "W_K", "W_V", "W_O")


class SoftmaxReLUConfig(ModelConfig):
    """Sizes and initial scales of one run (Li 2024, Section 3.1, "Initialization")."""

    kind: Literal["softmax_relu"] = Field("softmax_relu", description="which model this is")
    d_X: int = Field(30, ge=1, description="input dimension")
    d_Y: int = Field(30, ge=1, description="label dimension")
    width: int = Field(40, ge=1, description="number m of MLP neurons (rows of W_O)")
    m_a: int | None = Field(None, ge=1, description="rows of W_Q and W_K; None: d_X + d_Y")
    m_b: int | None = Field(None, ge=1, description="rows of W_V; None: d_X + d_Y")
    delta: float = Field(0.175, description="initial diagonal δ of W_Q, W_K, W_V; the theory asks for (0, 0.2]")
    xi: float = Field(0.02, ge=0, description="standard deviation ξ of W_O's initial entries")

    @model_validator(mode="after")
    def _check(self) -> SoftmaxReLUConfig:
        require_finite([("delta", self.delta), ("xi", self.xi)])
        return self

    @property
    def d(self) -> int:
        """Dimension of a column, d_X + d_Y."""
        return self.d_X + self.d_Y

    @property
    def shape(self) -> tuple[int, ...]:
        """What must agree for models to be stacked along the run axis."""
        return (self.d_X, self.d_Y, self.width, self.m_a or self.d, self.m_b or self.d)

    @property
    def title(self) -> str:
        """The model in a few words."""
        return f"one-layer transformer with {self.width} neurons"

    def summary(self) -> dict[str, float | str]:
        """The sizes in the paper's symbols, in the order to be shown."""
        return {"model": "one layer", "m": self.width, "δ": self.delta, "ξ": self.xi}

    def check_task(self, task: Task) -> None:
        """Refuse a task whose prompts a model of these sizes cannot read; every length will do.

        Raises:
            BadRequest: naming what does not fit.
        """
        own = (self.d_X, self.d_Y)
        require((task.d_X, task.d_Y) == own, "(d_X, d_Y) of the task", (task.d_X, task.d_Y), f"{own}, the model's")
        allowed = "the query alone: the one-layer model answers one query per prompt"
        require(task.query_only, "predictions", "every", allowed)

    def runs_at_a_time(self, device: torch.device) -> int:  # noqa: ARG002 (the same on every device)
        """How many runs are worth training together: with more a step gets no cheaper per run, but leaves the cache."""
        return 16

    def operations(self, length: int) -> int:
        """Roughly what a prompt costs, up to a factor: its columns, and its products with neurons."""
        return 2 * length + self.width


class Prediction(NamedTuple):
    """What the model says of a batch of prompts.

    Attributes:
        output: F(Ψ; P); its sign is the predicted label.
        attention: softmax weights over the context columns, summing to 1 (0 on columns that do not exist).
        hidden: ReLU activations of the MLP neurons.
    """

    output: Float[Tensor, "run batch"]
    attention: Float[Tensor, "run batch length"]
    hidden: Float[Tensor, "run batch width"]


class SoftmaxReLUTransformer(RunModel[SoftmaxReLUConfig]):
    """Many one-layer transformers, one per run.

    Attributes:
        W_Q: query matrices, [run, m_a, d].
        W_K: key matrices, [run, m_a, d].
        W_V: value matrices, [run, m_b, d].
        W_O: MLP weights, one row per neuron, [run, m, m_b].
        a: output signs ±1/√m, [run, m]; never trained.
    """

    config_type = SoftmaxReLUConfig
    probes: ClassVar[Mapping[str, str]] = {
        "attention": "iclscope.mechanism.inside:record_attention",
        "projections": "iclscope.mechanism.inside:record_projections",
        "neurons": "iclscope.mechanism.inside:record_neurons",
    }

    W_Q: Tensor
    W_K: Tensor
    W_V: Tensor
    W_O: Tensor
    a: Tensor

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Set the initial values of Li 2024.

        W_Q and W_K are δ on their first d_X diagonal entries and 0 elsewhere, W_V is δ on its whole diagonal,
        W_O's entries are N(0, ξ²), a's are uniform on ±1/√m.
        """
        config = self.config
        d, d_X, m = config.d, config.d_X, config.width
        m_a, m_b = config.m_a or d, config.m_b or d
        stream = RandomStream.from_seeds(self.seeds, "initial weights", device)
        delta = torch.tensor([c.delta for c in self.configs], dtype=torch.float64, device=device)[:, None, None]
        xi = torch.tensor([c.xi for c in self.configs], dtype=torch.float64, device=device)[:, None, None]
        on_inputs = (torch.arange(d, device=device) < d_X).double()
        identity_a = torch.eye(m_a, d, dtype=torch.float64, device=device)
        identity_b = torch.eye(m_b, d, dtype=torch.float64, device=device)
        signs = torch.where(stream.at(1).uniform(m) < 0.5, 1.0, -1.0)

        self.W_Q = nn.Parameter((delta * identity_a * on_inputs).to(dtype))
        self.W_K = nn.Parameter((delta * identity_a * on_inputs).to(dtype))
        self.W_V = nn.Parameter((delta * identity_b).to(dtype))
        self.W_O = nn.Parameter((xi * stream.at(0).normal(m, m_b)).to(dtype))
        self.register_buffer("a", (signs / m**0.5).to(dtype))

    def extra_repr(self) -> str:
        """Sizes and runs, for ``print(model)``."""
        config = self.config
        return f"d_X={config.d_X}, d_Y={config.d_Y}, width={config.width}, runs={self.run_count}"

    def predict(
        self, prompts: Prompts | ExamplePrompts, *, neurons: Bool[Tensor, "run width"] | None = None
    ) -> Prediction:
        """Read prompts; differentiable in the weights.

        The products of weights come first: with A = W_Kᵀ W_Q every column is scored as p_sᵀ A p_query, and columns
        are mixed before W_O W_V. A prompt then costs O(d² + l·d + m·d) if it is dense, never O(l·d·m_a), and only
        O(l + m·patterns) if it is sparse.

        Args:
            prompts: a batch per run, of one query each.
            neurons: which MLP neurons to keep (pruning); None keeps all.

        Raises:
            BadRequest: if the prompts ask for a prediction at every x.
        """
        prompts = columns_of(prompts)
        scores = prompts.scores(self.W_K.transpose(1, 2) @ self.W_Q)
        if prompts.mask is not None:
            scores = scores.masked_fill(~prompts.mask, torch.finfo(scores.dtype).min)
        attention = scores.softmax(dim=2)
        if prompts.mask is not None:
            # A prompt without any column attends to nothing, and its output is 0.
            attention = attention * prompts.mask
        hidden = torch.relu(prompts.weighted_sum(attention, self.W_O @ self.W_V))
        a = self.a if neurons is None else self.a * neurons
        return Prediction((hidden @ a[..., None])[..., 0], attention, hidden)

    @property
    def neuron_count(self) -> int:
        """The number m of MLP neurons."""
        return self.config.width

    def answers(
        self, sampler: Sampler, sizes: Iterable[tuple[int, int]], *, purpose: str, neurons: Tensor | None = None
    ) -> Iterator[tuple[Tensor, TrainingPrompts]]:
        """The same by compiled loops where there are some; outputs differ in rounding only."""
        from iclscope.models.pattern_engine.engine import compiled_answers

        found = compiled_answers(self, sampler, sizes, purpose=purpose, neurons=neurons)
        yield from found or super().answers(sampler, sizes, purpose=purpose, neurons=neurons)

    def compiled_gradients(self, sampler: Sampler, loss: str, optimizer: str) -> Callable[..., Any] | None:
        """Compiled ones of the hinge loss on patterns, under SGD: no other rule is the same in other coordinates."""
        from iclscope.models.pattern_engine.gradients import pattern_gradients

        return pattern_gradients(self, sampler) if loss == "hinge" and optimizer == "sgd" else None
