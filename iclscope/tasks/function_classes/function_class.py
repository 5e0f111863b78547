"""The settings of a task of Garg 2022: which functions, which inputs, how much noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.function_classes import functions
from iclscope.tasks.function_classes.functions import FunctionName
from iclscope.tasks.function_classes.inputs import QUERY_APART, InputName, draw_inputs
from iclscope.tasks.function_prompts import FunctionPrompts
from iclscope.tasks.prompt_sampler import StreamOf
from iclscope.tasks.prompts import PromptSize
from iclscope.tasks.task import RegressionTask

ONLY_OF = {"sparsity": "sparse_linear", "depth": "decision_tree", "width": "relu_network"}
"""The class of functions that alone has a setting."""

SMALLEST, LARGEST = 1e-15, 1e15
"""The scales whose squares single precision holds."""


class FunctionClass(RegressionTask):
    """Real functions learnt in context (Garg 2022, Section 2): x_1, f(x_1), …, x_l, f(x_l), x_query.

    The defaults are those of the published linear run.
    """

    changeable: ClassVar[tuple[str, ...]] = (
        "function", "d_X", "length", "inputs", "x_scale", "y_scale", "noise", "sparsity", "depth", "width",
    )  # fmt: skip

    title_settings: ClassVar[tuple[str, ...]] = ("function",)
    main: ClassVar[tuple[str, ...]] = ("d_X", "length", *ONLY_OF)

    kind: Literal["functions"] = Field("functions", description="which task this is")
    function: FunctionName = Field("linear", description="the class that f is drawn from, afresh for every prompt")
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
        require(self.x_scale > 0, "x_scale", self.x_scale, "a positive number")
        require(self.y_scale > 0, "y_scale", self.y_scale, "a positive number")
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

    def summary(self) -> dict[str, float | str]:
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

    def draw(self, stream_of: StreamOf, batch: int, size: PromptSize | None, dtype: torch.dtype) -> FunctionPrompts:
        """Inputs, a function per prompt, and its answers.

        With fewer dimensions than the task's own the inputs' last coordinates are 0 (the curriculum of Garg 2022,
        Appendix A.2).
        """
        length = self.length if size is None else size.length
        active = self.d_X if size is None or size.dimensions is None else size.dimensions
        least = 1 if self.inputs in QUERY_APART else 0
        require(least <= length <= self.length, "length of a schedule", length, f"{least} to the task's, {self.length}")
        require(1 <= active <= self.d_X, "dimensions of a schedule", active, f"1 to d_X = {self.d_X}")
        x = draw_inputs(self.inputs, stream_of("inputs"), batch, length + 1, self.d_X)
        x[..., active:] = 0
        x = x * self.x_scale
        values = self._values(stream_of("functions"), x, active) * self.y_scale
        answers = values if self.noise == 0 else values + self.noise * stream_of("noise").normal(batch, length + 1)
        return FunctionPrompts(x.to(dtype), answers.to(dtype), values.to(dtype), self.predictions == "every")

    def _values(self, stream: RandomStream, x: Tensor, active: int) -> Tensor:
        """f(x), a function per prompt."""
        if self.function == "sparse_linear":
            return functions.sparse_linear(stream, x, self.sparsity, active)
        if self.function == "decision_tree":
            return functions.decision_tree(stream, x, self.depth, active)
        if self.function == "relu_network":
            return functions.relu_network(stream, x, self.width)
        plain = {
            "linear": functions.linear,
            "quadratic": functions.quadratic,
            "linear_classification": functions.linear_classification,
        }
        return plain[self.function](stream, x)

    @property
    def title(self) -> str:
        """The class of functions."""
        return f"{self.function} functions"

    @property
    def shown(self) -> tuple[str, ...]:
        """All but settings of other functions, and where predictions are made, which follows from these."""
        left_out = {"kind", "predictions", *(name for name, of in ONLY_OF.items() if of != self.function)}
        return tuple(name for name in type(self).model_fields if name not in left_out)

    def check_effect(self, changes: Mapping[str, Any]) -> None:
        """Refuse settings of other functions."""
        for name, function in ONLY_OF.items():
            applies = name not in changes or self.function == function
            require(applies, name, changes.get(name), f"with function {function}; this is {self.function}")

    @property
    def test_lengths(self) -> range:
        """All up to the task's own; a query that is drawn from its context needs at least one example."""
        return range(1 if self.inputs in QUERY_APART else 0, self.length + 1)

    @property
    def scale_at_query(self) -> float:
        """E f(x)² at the query without noise, which a prediction of 0 has as squared error.

        That is `scale`, but where the query is orthogonal to the context. Of its squared norm only the share (d − k)/d
        is left then, and of the fourth powers of its coordinates (d − k)(d − k + 2)/(d(d + 2)).
        """
        d, left = self.d_X, self.d_X - self.length
        # Trees and classification see signs only, which the length of the query does not change.
        if self.inputs != "orthogonal_query" or self.function in ("decision_tree", "linear_classification"):
            return self.scale
        if self.function == "quadratic":
            return self.scale * left * (left + 2) / (d * (d + 2))
        return self.scale * left / d

    def check_sizes(self) -> None:
        """Refuse numbers whose squares single precision cannot hold; the errors would not be finite.

        Raises:
            BadRequest: naming the setting.
        """
        for name, value in (("x_scale", self.x_scale), ("y_scale", self.y_scale), ("noise", self.noise)):
            require(value == 0 or SMALLEST <= value <= LARGEST, name, value, f"{SMALLEST:g} to {LARGEST:g}")
        allowed = f"{SMALLEST**2:g} to {LARGEST**2:g}; x_scale or y_scale is too far from 1"
        require(SMALLEST**2 <= self.scale <= LARGEST**2, "mean square of f(x)", self.scale, allowed)

    def tested_with(self, changes: Mapping[str, Any]) -> Self:
        """The same with some settings changed, and what these ask for.

        Where the query is drawn apart from the context, it alone is predicted; contexts that a query can be orthogonal
        to have at most d_X − 1 examples, which is their number unless another is given.
        """
        needed: dict[str, Any] = {}
        inputs, d_X = changes.get("inputs", self.inputs), changes.get("d_X", self.d_X)
        if inputs in QUERY_APART:
            needed["predictions"] = "query"
        if inputs == "orthogonal_query":
            why = "another distribution: with d_X = 1 nothing is orthogonal to the context"
            require(d_X >= 2, "inputs", inputs, why)
            needed["length"] = min(self.length, d_X - 1)
        return self.replace(**{**needed, **changes})

    def check_dimensions(self, dimensions: int) -> None:
        """Refuse a curriculum with zeros among inputs that are not gaussian: they would be other ones.

        Raises:
            BadRequest: naming the inputs.
        """
        allowed = f"gaussian, or a curriculum from {self.d_X} dimensions: zeros would make them other inputs"
        require(dimensions >= self.d_X or self.inputs == "gaussian", "inputs", self.inputs, allowed)
