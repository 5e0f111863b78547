"""What training leaves behind: trained models of equal shape, with what was recorded on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import TypeVar

from iclscope.core.errors import require
from iclscope.models import Model, stack_models
from iclscope.training.state import RUNNING
from iclscope.training.trial import Trial

AnyModel = TypeVar("AnyModel", bound=Model, default=Model)

MEETS = "meets_conditions"
"""Column of a figure's rows: whether the trial meets all conditions whose constants a theorem gives."""


@dataclass(frozen=True)
class TrainedGroup(Generic[AnyModel]):
    """Trained trials of one shape, one per run of ``model``.

    Attributes:
        trials: the trials.
        model: their trained weights.
        recorded_at: the steps at which probes were taken.
        trajectory: what they measured, ``TASK/QUANTITY`` → [run, record, …]; NaN after a run had ended.
        stopped_at: the step at which a run met its target risk, −1 if it has none or never did.
        diverged_at: the step at which a run's loss stopped being finite, −1 if it stayed finite.
        meets: whether each trial meets a theorem's conditions; None where no theorem is asked.
    """

    trials: Sequence[Trial]
    model: AnyModel
    recorded_at: Sequence[int]
    trajectory: Mapping[str, Tensor]
    stopped_at: Sequence[int]
    diverged_at: Sequence[int]
    meets: Sequence[bool] | None = None

    def rows(self, *, arm: str, **columns: Float[Tensor, " run"] | Sequence[object] | float | str) -> pl.DataFrame:
        """One row per run: seed, arm, whether it diverged, and the given columns.

        What was measured (tensors) is NaN for a run that diverged, in every arm: its output may still be finite, and a
        control is compared with the same seeds.

        Args:
            arm: "trained", or the name of a control.
            columns: a value per run, or one for all.

        Raises:
            BadRequest: if a column has another shape or another number of values.
        """
        data: dict[str, list[Any]] = {
            "arm": [arm] * len(self.trials),
            "seed": [trial.seed for trial in self.trials],
            "diverged_at": [None if step == RUNNING else step for step in self.diverged_at],
        }
        if self.meets is not None:
            data[MEETS] = list(self.meets)
        for name, values in columns.items():
            if isinstance(values, Tensor):
                one_each = tuple(values.shape) == (len(self.trials),)
                hint = "; choose one number per run, as [:, 0] does"
                require(
                    one_each, f"shape of {name}", tuple(values.shape), f"({len(self.trials)},), a value per run{hint}"
                )
                measured = values.detach().double().cpu()
                data[name] = measured.masked_fill(torch.tensor(self.diverged_at) != RUNNING, torch.nan).tolist()
            elif isinstance(values, (str, int, float)):
                data[name] = [values] * len(self.trials)
            else:
                data[name] = list(values)
                count, expected = len(data[name]), len(self.trials)
                require(count == expected, f"number of {name}", count, f"{expected}, a value per run")
        return pl.DataFrame(data, schema_overrides={"diverged_at": pl.Int64})

    def trajectory_rows(self, *, arm: str, prefix: str, quantities: Mapping[str, Tensor] | None = None) -> pl.DataFrame:
        """One row per run and recorded step.

        Args:
            arm: "trained", or the name of a control.
            prefix: the evaluation task whose records are wanted; it becomes the column ``domain``.
            quantities: [run, record] per column; None takes all records of that shape.
        """
        chosen = quantities or {
            name.removeprefix(f"{prefix}/"): values
            for name, values in self.trajectory.items()
            if name.startswith(f"{prefix}/") and values.ndim == 2
        }
        return pl.concat(
            self.rows(arm=arm, domain=prefix, step=step, **{name: values[:, i] for name, values in chosen.items()})
            for i, step in enumerate(self.recorded_at)
        )


def untrained_models(trials: Sequence[Trial], device: torch.device | str = "cpu") -> Model:
    """The untrained models of trials of one shape, along one run axis."""
    seeds = [trial.seed for trial in trials]
    return stack_models([trial.model for trial in trials], seeds, device, trials[0].dtype)
