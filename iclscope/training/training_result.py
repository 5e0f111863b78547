"""What `train` gives: the trained model, and the loss at every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.core.arguments import expect, whole_number
from iclscope.core.frames import FrameKind, frame_of
from iclscope.core.html import html_settings
from iclscope.models import Model
from iclscope.models.words import model_text
from iclscope.training.state import RUNNING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AnyModel = TypeVar("AnyModel", bound=Model)

Callback = Callable[[int, Float[Tensor, " run"]], object]
"""Called with a step and the loss of each run there; NaN for a run that has ended."""


@dataclass(frozen=True, repr=False)
class TrainingResult(Generic[AnyModel]):
    """Trained models, and what was recorded on the way.

    Attributes:
        model: the trained runs; the model given to `train` is not changed.
        recorded_at: the steps at which ``probe`` was taken.
        trajectory: what it measured, [run, record, …] per name; NaN after a run had ended.
        stopped_at: the step at which a run reached its target, −1 if it did not.
        diverged_at: the step at which a run's loss stopped being finite, −1 if it stayed finite.
        loss: of each run at each step, before the step's update; NaN after a run had ended.
        steps: how many steps were asked for; fewer were made if the training was interrupted.
    """

    model: AnyModel
    recorded_at: Sequence[int]
    trajectory: Mapping[str, Tensor]
    stopped_at: Tensor
    diverged_at: Tensor
    loss: Float[Tensor, "run step"]
    steps: int

    @property
    def is_interrupted(self) -> bool:
        """Whether the training was interrupted before its last step."""
        ended = ((self.stopped_at != RUNNING) | (self.diverged_at != RUNNING)).all()
        return self.loss.shape[1] < self.steps and not bool(ended)

    def to_frame(self, kind: FrameKind = "polars") -> Any:
        """A row per run and step: seed, step, loss (null after the run had ended).

        Args:
            kind: "polars", "pandas" or "arrow".
        """
        runs, steps = self.loss.shape
        frame = pl.DataFrame(
            {
                "seed": [seed for seed in self.model.seeds for _ in range(steps)],
                "step": list(range(steps)) * runs,
                "loss": self.loss.flatten().double().numpy(),
            },
            schema={"seed": pl.Int64, "step": pl.Int64, "loss": pl.Float64},
        )
        return frame_of(frame.with_columns(pl.col("loss").fill_nan(None)), kind)

    def plot(self) -> Figure:
        """The loss of each run against the step."""
        from iclscope.plotting.drawn import loss_figure

        return loss_figure(self.loss.numpy(), self.model.seeds)

    def __repr__(self) -> str:
        about = "; ".join(f"{name} {text}" for name, text in self._facts().items())
        return f"{type(self).__name__}: {model_text(self.model)}; {about}"

    def _repr_html_(self) -> str:
        return html_settings(model_text(self.model), self._facts())

    def _facts(self) -> dict[str, str]:
        made = self.loss.shape[1]
        facts = {"steps": f"{made:,}" if made == self.steps else f"{made:,} of {self.steps:,}"}
        if made:
            first, last = (float(self.loss[:, place].nanmean()) for place in (0, -1))
            facts["loss"] = f"{first:.4g} → {last:.4g}{f', mean of {len(self.loss)} runs' * (len(self.loss) > 1)}"
        diverged = [
            f"seed {seed} at step {step}"
            for seed, step in zip(self.model.seeds, self.diverged_at.tolist(), strict=True)
            if step != RUNNING
        ]
        return facts | {"diverged": ", ".join(diverged) or "none"}


class LossLog:
    """Collects the losses of all runs, step by step."""

    def __init__(self, runs: int, callback: Callback | None = None) -> None:
        """Begin with none.

        Args:
            runs: how many there are.
            callback: told of each step.
        """
        self._runs, self._callback = runs, callback
        self._steps: list[Float[Tensor, " run"]] = []

    def add(self, step: int, live: Sequence[int], losses: Float[Tensor, " live"]) -> None:
        """Note the losses of the runs that are still trained."""
        found = losses.detach().new_full((self._runs,), torch.nan)
        found[list(live)] = losses.detach()
        self._steps.append(found)
        if self._callback is not None:
            self._callback(step, found)

    def all(self) -> Float[Tensor, "run step"]:
        """The losses at all steps, on the CPU."""
        return torch.stack(self._steps, dim=1).cpu() if self._steps else torch.empty(self._runs, 0)


def log_to(tracker: Any, *, every: int = 10, name: str = "loss") -> Callback:
    """A callback for `train` that logs losses to an experiment tracker of yours.

    Args:
        tracker: a ``SummaryWriter`` of TensorBoard (or what else has ``add_scalar``), a run of W&B, or the module
            ``trackio`` (or what else has ``log(values, step=…)``).
        every: steps between two records.
        name: what the loss is logged as; each run's has its number behind it.

    Raises:
        BadRequest: if it is no tracker.
    """
    known = hasattr(tracker, "add_scalar") or hasattr(tracker, "log")
    expect(known, "tracker", tracker, "a SummaryWriter, a run of W&B, or the module trackio")
    every = whole_number("every", every, least=1)

    def log(step: int, losses: Float[Tensor, " run"]) -> None:
        if step % every:
            return
        values = {f"{name}/{run}": loss for run, loss in enumerate(losses.tolist()) if loss == loss}
        if hasattr(tracker, "add_scalar"):
            for one, loss in values.items():
                tracker.add_scalar(one, loss, step)
        else:
            tracker.log(values, step=step)

    return log
