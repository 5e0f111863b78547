"""The settings of a task of Garg 2022: which functions, which inputs, how much noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, model_validator

from iclscope.core.arguments import seeds_from
from iclscope.core.errors import require, require_finite
from iclscope.tasks.equal_runs import EqualRunsTask, the_one_task
from iclscope.tasks.function_classes.functions import FunctionName
from iclscope.tasks.function_classes.inputs import QUERY_APART, InputName

if TYPE_CHECKING:
    from iclscope.tasks.function_classes.sampler import FunctionSampler


class FunctionClass(EqualRunsTask):
    """Real functions learnt in context (Garg 2022, Section 2): x_1, f(x_1), …, x_l, f(x_l), x_query.

    The defaults are those of the published linear run.
    """

    kind: Literal["functions"] = Field("functions", description="which task this is")
    function: FunctionName = Field("linear", description="the class that f is drawn from, anew for every prompt")
    d_X: int = Field(20, ge=1, description="input dimension d")
    length: int = Field(40, ge=0, description="context length l: examples before the last query")
    predictions: Literal["every", "query"] = Field(
        "every", description="predict at every x after the examples before it, or at the last x only"
    )
    inputs: InputName = Field("gaussian", description="distribution of x; other than gaussian: out of distribution")
    x_scale: float = Field(1.0, description="every x is multiplied by this")
    y_scale: float = Field(1.0, description="every f(x) is multiplied by this")
    noise: float = Field(0.0, ge=0, description="standard deviation of normal noise on the answers in the context")
    sparsity: int = Field(3, ge=1, description="non-zero coordinates s of w (sparse_linear)")
    depth: int = Field(4, ge=1, le=12, description="levels of questions (decision_tree)")
    width: int = Field(100, ge=1, description="hidden units h (relu_network)")

    @model_validator(mode="after")
    def _check(self) -> FunctionClass:
        require_finite([("x_scale", self.x_scale), ("y_scale", self.y_scale), ("noise", self.noise)])
        require(self.x_scale > 0, "x_scale", self.x_scale, "positive")
        require(self.y_scale > 0, "y_scale", self.y_scale, "positive")
        if self.function == "sparse_linear":
            require(self.sparsity <= self.d_X, "sparsity", self.sparsity, f"at most d_X = {self.d_X}")
        if self.inputs in QUERY_APART:
            allowed = f"query, where the query is drawn apart (inputs = {self.inputs!r})"
            require(self.predictions == "query", "predictions", self.predictions, allowed)
            require(self.length >= 1, "length", self.length, f"at least 1 with inputs = {self.inputs!r}")
        if self.inputs == "orthogonal_query":
            allowed = f"less than d_X = {self.d_X}, or nothing is orthogonal to the context"
            require(self.length < self.d_X, "length", self.length, allowed)
        if self.inputs == "half_subspace":
            require(self.d_X >= 2, "d_X", self.d_X, "at least 2 with inputs = 'half_subspace'")
        return self

    @property
    def query_only(self) -> bool:
        """Whether the model predicts at the last x alone, not at every one."""
        return self.predictions == "query"

    @property
    def real_answers(self) -> bool:
        """Whether answers are real numbers, not signs."""
        return self.function != "linear_classification"

    def described(self) -> dict[str, float | str]:
        """The settings in the paper's symbols, in the order to be shown."""
        extra: dict[str, dict[str, float | str]] = {
            "sparse_linear": {"s": self.sparsity},
            "decision_tree": {"depth": self.depth},
            "relu_network": {"h": self.width},
        }
        scaled: dict[str, float | str] = {"answers times": self.y_scale} if self.y_scale != 1 else {}
        own: dict[str, float | str] = {"functions": self.function.replace("_", " "), "d": self.d_X, "l": self.length}
        return own | extra.get(self.function, {}) | scaled

    @property
    def points(self) -> int:
        """Inputs per prompt, the last query included."""
        return self.length + 1

    @property
    def scale(self) -> float:
        """E f(x)² without noise, which a prediction of 0 has as squared error; errors are divided by it.

        Exact for N(0, I_d), and for every input distribution with the same mean square (all but the orthogonal query);
        of quadratic functions, which ask for the fourth power, only where the coordinates are normal too.
        """
        power = {"linear": 2, "sparse_linear": 2, "relu_network": 2, "quadratic": 4}.get(self.function, 0)
        plain = {"sparse_linear": self.sparsity, "decision_tree": 1, "linear_classification": 1}
        return float(plain.get(self.function, self.d_X) * self.x_scale**power * self.y_scale**2)

    @staticmethod
    def stacked(
        tasks: Sequence[FunctionClass],
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> FunctionSampler:
        """A sampler of these tasks, one per run."""
        from iclscope.tasks.function_classes.sampler import FunctionSampler

        return FunctionSampler(the_one_task(tasks, seeds), seeds, dtype=dtype, device=device)

    def sampler(
        self, seeds: Sequence[int], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> FunctionSampler:
        """A sampler of this task's prompts with one run per seed."""
        seeds = seeds_from(seeds)
        return self.stacked([self] * len(seeds), seeds, dtype=dtype, device=device)
