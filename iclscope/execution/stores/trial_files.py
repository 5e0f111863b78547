"""A trained trial as a file, and back: safetensors, one file per trial."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from iclscope.training.state import RECORD, WEIGHT, TrainingState
from iclscope.training.trained import TrainedGroup, untrained_models
from iclscope.training.trial import Trial


def trial_files(
    trials: Sequence[Trial], state: TrainingState, metadata: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    """The file of each trial of a finished training, with the trial's hash.

    Args:
        trials: the runs of the training.
        state: its end.
        metadata: what else to note: version, device, seconds.
    """
    trajectory = state.trajectory()
    for run, trial in enumerate(trials):
        # Records after this run's end are there only because of the runs it was batched with.
        end = max((int(step) for step in (state.stopped_at[run], state.diverged_at[run])), default=-1)
        kept = [i for i, step in enumerate(state.recorded_at) if end < 0 or step <= end]
        tensors = {WEIGHT + name: tensor[run] for name, tensor in state.weights.items()}
        tensors |= {RECORD + name: values[run, kept] for name, values in trajectory.items()}
        tensors |= {
            "recorded_at": torch.tensor([state.recorded_at[i] for i in kept], dtype=torch.int64),
            "stopped_at": state.stopped_at[run].clone(),
            "diverged_at": state.diverged_at[run].clone(),
        }
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        yield trial.hash, save(plain, {**metadata, "trial": json.dumps(trial.model_dump(mode="json"))})


def tensors_of(trial: Trial, content: bytes) -> dict[str, Tensor] | None:
    """The tensors of a trial's file; None if the content is damaged, or is not a file of this trial.

    Args:
        trial: whose file it should be.
        content: all of it.
    """
    try:
        tensors: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError):
        return None
    return tensors if is_file_of(trial, metadata_of(content), tensors) else None


def metadata_of(content: bytes) -> dict[str, str]:
    """What was noted in a safetensors file that can be read: its header is JSON behind eight bytes of length."""
    length = int.from_bytes(content[:8], "little")
    noted = json.loads(content[8 : 8 + length]).get("__metadata__")
    return noted if isinstance(noted, dict) else {}


def is_file_of(trial: Trial, metadata: Mapping[str, str], tensors: Mapping[str, Any]) -> bool:
    """Whether a safetensors file is that of a trial.

    Args:
        trial: whose file it should be.
        metadata: what the file notes.
        tensors: by the names in the file, each with a ``shape`` or a ``get_shape()``.
    """
    if not {"recorded_at", "stopped_at", "diverged_at"} <= tensors.keys():
        return False
    if [len(_shape(tensors[name])) for name in ("recorded_at", "stopped_at", "diverged_at")] != [1, 0, 0]:
        return False
    try:
        noted = json.loads(metadata.get("trial", "null"))
    except (ValueError, RecursionError):
        return False
    own = json.loads(json.dumps(trial.model_dump(mode="json")))
    return isinstance(noted, dict) and {"task", "model", "training", "seed"} <= noted.keys() and _agree(noted, own)


def _agree(noted: Any, own: Any) -> bool:
    """Whether settings agree, wherever both say something: an earlier version may have had fewer."""
    if isinstance(noted, dict) and isinstance(own, dict):
        return all(_agree(noted[name], own[name]) for name in noted.keys() & own.keys())
    return bool(noted == own)


def _shape(tensor: Any) -> Sequence[int]:
    shape: Sequence[int] = tensor.get_shape() if hasattr(tensor, "get_shape") else tensor.shape
    return shape


def trained_group(trials: Sequence[Trial], state: TrainingState, device: torch.device | str = "cpu") -> TrainedGroup:
    """The trials of a finished training as they are measured.

    Args:
        trials: the runs of the training.
        state: its end.
        device: where the models go.
    """
    return _group(
        trials, state.weights, state.recorded_at, state.trajectory(), state.stopped_at, state.diverged_at, device
    )


def group_of_files(
    trials: Sequence[Trial], files: Sequence[Mapping[str, Tensor]], device: torch.device | str = "cpu"
) -> TrainedGroup:
    """The same from the contents of their files.

    Args:
        trials: trials of one shape.
        files: the tensors of each trial's file, in the same order.
        device: where the models go.

    Raises:
        KeyError, RuntimeError, ValueError: if they are not those of models of these trials.
    """
    longest = max((tensors["recorded_at"] for tensors in files), key=len)
    names = [name for name in max(files, key=len) if name.startswith((RECORD, WEIGHT))]
    weights = {
        name.removeprefix(WEIGHT): torch.stack([tensors[name] for tensors in files])
        for name in names
        if name.startswith(WEIGHT)
    }
    trajectory = {
        name.removeprefix(RECORD): torch.stack([_padded(tensors[name], len(longest)) for tensors in files])
        for name in names
        if name.startswith(RECORD)
    }
    stopped_at, diverged_at = (
        torch.stack([tensors[name] for tensors in files]) for name in ("stopped_at", "diverged_at")
    )
    return _group(trials, weights, longest.tolist(), trajectory, stopped_at, diverged_at, device)


def _group(
    trials: Sequence[Trial],
    weights: Mapping[str, Tensor],
    recorded_at: Sequence[int],
    trajectory: Mapping[str, Tensor],
    stopped_at: Tensor,
    diverged_at: Tensor,
    device: torch.device | str,
) -> TrainedGroup:
    model = untrained_models(trials, device)
    model.load_state_dict({name: weights[name].to(device) for name in model.state_dict()})
    model.trained_on = tuple(trial.task for trial in trials)
    return TrainedGroup(
        trials=tuple(trials),
        model=model,
        recorded_at=list(recorded_at),
        trajectory=dict(trajectory),
        stopped_at=stopped_at.tolist(),
        diverged_at=diverged_at.tolist(),
    )


def _padded(values: Tensor, length: int) -> Tensor:
    """Append NaN records."""
    missing = values.new_full((length - len(values), *values.shape[1:]), torch.nan)
    return torch.cat([values, missing])
