"""A task, two models and a paper of an outsider: cubic functions in context, a kernel smoother, and a plain module."""

from typing import Any, Literal, NamedTuple

import polars as pl
import torch
from pydantic import Field
from torch import Tensor, nn

import iclscope as icl
from iclscope.claims.summaries import mean_at_every, over_seeds, summarise
from iclscope.plotting.style import curve, legend


class CubicRegression(icl.tasks.RegressionTask):
    """y = c₀ + c₁x + c₂x² + c₃x³, c ~ N(0, I) anew for every prompt, x ~ U(−1, 1)."""

    kind: Literal["cubic_regression"] = "cubic_regression"
    length: int = Field(16, ge=1, description="context length")
    noise: float = Field(0.0, ge=0, description="standard deviation of the noise on the context's answers")
    changeable = ("length", "noise")

    @property
    def d_X(self) -> int:
        """An input is one number."""
        return 1

    @property
    def scale(self) -> float:
        """E f(x)² = 1 + 1/3 + 1/5 + 1/7."""
        return 1 + 1 / 3 + 1 / 5 + 1 / 7

    def draw(self, stream_of: icl.tasks.StreamOf, batch: int, size: Any, dtype: torch.dtype) -> Any:
        """Inputs, coefficients and noise."""
        points = (self.length if size is None else size.length) + 1
        x = 2 * stream_of("inputs").uniform(batch, points) - 1
        y = (stream_of("coefficients").normal(batch, 1, 4) * features(x)).sum(dim=3)
        answers = y + self.noise * stream_of("noise").normal(batch, points)
        return icl.tasks.FunctionPrompts(x[..., None].to(dtype), answers.to(dtype), y.to(dtype), False)


def features(x: Tensor) -> Tensor:
    """1, x, x², x³."""
    return torch.stack([x**power for power in range(4)], dim=-1)


class SmootherConfig(icl.models.ModelConfig):
    """A kernel smoother (Nadaraya 1964, Watson 1964): its only weight is the width of the kernel."""

    kind: Literal["kernel_smoother"] = "kernel_smoother"
    d_X: int = Field(1, ge=1)
    width: float = Field(0.5, gt=0, description="the width that training starts from")


class Smoothed(NamedTuple):
    output: Tensor
    attention: Tensor
    hidden: Tensor


class KernelSmoother(icl.models.RunModel[SmootherConfig]):
    """ŷ = Σ y_i K((x_i − x)/h) / Σ K((x_i − x)/h) with a Gaussian kernel; log h is trained."""

    config_type = SmootherConfig

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """The configured width."""
        widths = torch.tensor([config.width for config in self.configs], dtype=dtype, device=device)
        self.log_width = nn.Parameter(widths.log())

    def predict(self, prompts: Any) -> Smoothed:
        """Read prompts of one query each."""
        examples = prompts.examples()
        squares = (examples.inputs - examples.query()[:, :, None]).square().sum(dim=3)
        scores = -squares / (2 * self.log_width.exp().square()[:, None, None])
        attention = scores.masked_fill(~examples.context_mask(), -torch.inf).softmax(dim=2)
        return Smoothed((attention * examples.answers[..., 0]).sum(dim=2), attention, scores)


class SetModule(nn.Module):
    """Least squares on features that an MLP learns: [x; y] per token, the query's y zero; a number per prompt."""

    def __init__(self, width: int, hidden: int, features: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Linear(width - 1, hidden), nn.GELU(), nn.Linear(hidden, features))

    def forward(self, tokens: Tensor) -> Tensor:
        """Ridge regression of the context's answers on the features, read at the query."""
        inside = self.inside(tokens[..., :-1])
        seen, asked = inside[:, :-1], inside[:, -1:]
        gram = seen.transpose(1, 2) @ seen + 1e-4 * torch.eye(seen.shape[2], dtype=seen.dtype)
        weights = torch.linalg.solve(gram, seen.transpose(1, 2) @ tokens[:, :-1, -1:])
        return (asked @ weights)[:, 0, 0]


SetNetwork = icl.models.from_module("set_network", SetModule, tokens="columns", hidden=32, features=6)


def trials(kind: str, steps: int, rate: float, **task: Any) -> Any:
    """What a figure trains: one model on the task, per seed."""
    model = {"kind": kind, "d_X": 1}
    training = {"optimizer": "adam", "loss": "squared", "learning_rate": rate, "steps": steps, "batch_size": 64}
    return lambda preset: [
        icl.Trial(task=CubicRegression(**task), model=model, training=training, seed=seed) for seed in preset.seeds
    ]


def measured(group: Any, preset: icl.Preset) -> pl.DataFrame:
    """The error of trained and untrained models at several lengths."""
    return pl.concat(
        group.rows(arm=arm, length=length, error=icl.evaluate(model, test, prompts=preset.prompts).mean[:, 0])
        for arm, model in (("trained", group.model), ("untrained", group.model.untrained()))
        for length in (8, 16)
        for test in [group.trials[0].task.replace(length=length)]
    )


def drawn(figure: Any, rows: pl.DataFrame) -> None:
    """Error against length."""
    axes = figure.subplots()
    for index, arm in enumerate(("trained", "untrained")):
        points = summarise(rows.filter(pl.col("arm") == arm), "length", "error")
        curve(axes, points["length"], points["value"], points["low"], points["high"], label=arm, index=index)
    legend(axes)


def figure(name: str, statement: str, most: float, made: Any) -> icl.Experiment:
    """A figure with one claim and its control."""
    return icl.Experiment(
        name, title=statement, caption=statement, position=1, trials=made, measure=measured, draw=drawn,
        claims=(icl.Claim(
            id=f"{name}-error", form="published", statement=statement, source="Nadaraya 1964, Section 1",
            quantity="squared error over E f² at each length", expected=icl.Region(high=most), reason="ours",
            estimate=lambda rows: mean_at_every(rows, "length", "error"),
            control=icl.Control("the same models untrained", "untrained"),
        ),),
        finding=lambda rows: f"The error is {over_seeds(rows.filter(pl.col('arm') == 'trained'), 'error').value:.3f}.",
    )  # fmt: skip


SEEDS = dict.fromkeys(("quick", "lab", "paper"), 5)
PAPER = icl.Paper(
    "nadaraya1964", "On Estimating Regression", "Nadaraya 1964", "smoothing in context", seeds=SEEDS,
    model="kernel smoother", task="cubic functions",
    figures=(
        figure("smoothing", "A smoother errs less with a trained width.", 0.08, trials("kernel_smoother", 300, 0.03)),
        figure("learnt", "A learnt set network errs little.", 0.01, trials("set_network", 400, 0.003)),
    ),
)  # fmt: skip
