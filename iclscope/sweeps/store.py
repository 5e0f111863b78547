"""Finished trials on disk, one file each, named by the trial's hash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from iclscope.experiments.trained import TrainedGroup, untrained_models
from iclscope.experiments.trial import Trial
from iclscope.models.pretrained import write_safetensors
from iclscope.training.state import RECORD, WEIGHT, TrainingState


class TrialStore:
    """A folder of finished trials.

    A trial's file is written whole or not at all, so whatever is found is finished. Files that cannot be read
    count as missing and are trained again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, trial: Trial) -> Path:
        """Where a trial's file is, or will be."""
        return self.folder / f"{trial.hash}.safetensors"

    def missing(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials that are not stored yet, each once, in the given order."""
        unique = {trial.hash: trial for trial in trials}
        return [trial for trial in unique.values() if not _is_readable(self.path(trial))]

    def discard(self, trials: Sequence[Trial]) -> None:
        """Forget trials, so that they are trained anew."""
        for trial in trials:
            self.path(trial).unlink(missing_ok=True)

    def discard_unfinished(self) -> None:
        """Forget trainings that were interrupted, so that they start anew."""
        for path in self.folder.glob("unfinished-*.safetensors"):
            path.unlink(missing_ok=True)

    def save(self, trials: Sequence[Trial], state: TrainingState, metadata: dict[str, str]) -> None:
        """Store a finished training, one file per trial.

        Args:
            trials: the runs of the training.
            state: its end.
            metadata: what else to note: version, device, seconds.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        trajectory = state.trajectory()
        for run, trial in enumerate(trials):
            # Records after this run's end are there only because of the runs it was batched with.
            end = max((int(step) for step in (state.stopped_at[run], state.diverged_at[run])), default=-1)
            kept = [i for i, step in enumerate(state.recorded_at) if end < 0 or step <= end]
            tensors = {WEIGHT + name: tensor[run].cpu() for name, tensor in state.weights.items()}
            tensors |= {RECORD + name: values[run, kept].cpu() for name, values in trajectory.items()}
            tensors |= {
                "recorded_at": torch.tensor([state.recorded_at[i] for i in kept], dtype=torch.int64),
                "stopped_at": state.stopped_at[run].clone(),
                "diverged_at": state.diverged_at[run].clone(),
            }
            write_safetensors(
                self.path(trial), tensors, {**metadata, "trial": json.dumps(trial.model_dump(mode="json"))}
            )

    def load(self, trials: Sequence[Trial], device: torch.device | str = "cpu") -> TrainedGroup:
        """Read finished trials of one shape back as one group."""
        files = [_read(self.path(trial), device) for trial in trials]
        longest = max(files, key=lambda tensors: len(tensors["recorded_at"]))
        records = [name for name in longest if name.startswith(RECORD)]
        model = untrained_models(trials, device)
        model.load_state_dict(
            {name: torch.stack([tensors[WEIGHT + name] for tensors in files]) for name in model.state_dict()}
        )
        model.trained_on = tuple(trial.task for trial in trials)
        return TrainedGroup(
            trials=tuple(trials),
            model=model,
            recorded_at=longest["recorded_at"].tolist(),
            trajectory={
                name.removeprefix(RECORD): torch.stack(
                    [_padded(tensors[name], len(longest["recorded_at"])) for tensors in files]
                )
                for name in records
            },
            stopped_at=[int(tensors["stopped_at"]) for tensors in files],
            diverged_at=[int(tensors["diverged_at"]) for tensors in files],
        )


def _padded(values: Tensor, length: int) -> Tensor:
    """Append NaN records."""
    missing = values.new_full((length - len(values), *values.shape[1:]), torch.nan)
    return torch.cat([values, missing])


def _read(path: Path, device: torch.device | str) -> dict[str, Tensor]:
    with safe_open(path, framework="pt", device=str(device)) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _is_readable(path: Path) -> bool:
    """Whether a file is there, whole (safetensors compares header and size on opening) and one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            return {"recorded_at", "stopped_at", "diverged_at"} <= set(file.keys())
    except (SafetensorError, OSError):
        return False
