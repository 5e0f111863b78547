"""Where a training stands: all that is needed to go on, or to look back at what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Int64
from safetensors import SafetensorError, safe_open
from torch import Tensor

from iclscope.models.pretrained import write_safetensors

RUNNING = -1
# What the names of tensors in files start with.
RECORD, WEIGHT = "record/", "weight/"
_OPTIMIZER = "optimizer/"
_BESIDE = "beside_weights/"


@dataclass
class TrainingState:
    """A training in progress or at its end.

    Batches are pure functions of (seed, step), so there is no generator state to keep.

    Attributes:
        step: how many steps have been made.
        weights: the weights of all runs, stopped ones included.
        stopped_at: the step at which a run met its target, −1 while it has not.
        diverged_at: the step at which a run's loss stopped being finite, −1 while it is.
        recorded_at: the steps at which probes were taken.
        records: what they measured, [run] or [run, …] per probe; NaN for runs that had ended before.
        optimizer: what the update rule remembers, each with a leading run axis; of ended runs, what it last was.
        extra_state: what else there is to go on exactly (`Gradients.own_state`), likewise.
    """

    step: int
    weights: dict[str, Tensor]
    stopped_at: Int64[Tensor, " run"]
    diverged_at: Int64[Tensor, " run"]
    recorded_at: list[int] = field(default_factory=list)
    records: dict[str, list[Tensor]] = field(default_factory=dict)
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    extra_state: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def start(cls, weights: Mapping[str, Tensor], runs: int) -> TrainingState:
        """The state before the first step, holding copies of the weights."""
        running = torch.full((runs,), RUNNING, dtype=torch.int64)
        copies = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return cls(step=0, weights=copies, stopped_at=running, diverged_at=running.clone())

    def trajectory(self) -> dict[str, Tensor]:
        """What was recorded, with shape [run, record, …] per probe."""
        return {name: torch.stack(values, dim=1) for name, values in self.records.items()}

    def save(self, path: Path, fingerprint: str) -> None:
        """Write the state atomically; ``fingerprint`` says which training it belongs to."""
        tensors = {WEIGHT + name: tensor for name, tensor in self.weights.items()}
        tensors |= {RECORD + name: tensor for name, tensor in self.trajectory().items()}
        tensors |= {_OPTIMIZER + name: tensor for name, tensor in self.optimizer.items()}
        tensors |= {_BESIDE + name: tensor for name, tensor in self.extra_state.items()}
        tensors |= {
            "step": torch.tensor(self.step),
            "stopped_at": self.stopped_at,
            "diverged_at": self.diverged_at,
            "recorded_at": torch.tensor(self.recorded_at, dtype=torch.int64),
        }
        write_safetensors(path, tensors, {"fingerprint": fingerprint})

    @classmethod
    def load(cls, path: Path, fingerprint: str, device: torch.device | str = "cpu") -> TrainingState | None:
        """Read a state back; None if there is none, it is broken, or it belongs to another training.

        Args:
            path: the file.
            fingerprint: which training it must belong to.
            device: where the weights go; everything else stays on the CPU.
        """
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("fingerprint") != fingerprint:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError):
            return None

        def named(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

        return cls(
            step=int(tensors["step"]),
            weights={name: tensor.to(device) for name, tensor in named(WEIGHT).items()},
            stopped_at=tensors["stopped_at"],
            diverged_at=tensors["diverged_at"],
            recorded_at=tensors["recorded_at"].tolist(),
            records={name: list(tensor.unbind(1)) for name, tensor in named(RECORD).items()},
            optimizer={name: tensor.to(device) for name, tensor in named(_OPTIMIZER).items()},
            extra_state={name: tensor.to(device) for name, tensor in named(_BESIDE).items()},
        )
