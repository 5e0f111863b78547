"""Trained trials in a folder or at an address, one file each, named by the trial's hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from iclscope.errors import StorageFailed
from iclscope.experiments.trained import TrainedGroup
from iclscope.experiments.trial import Trial
from iclscope.sweeps.store_files import StoreFiles
from iclscope.sweeps.trial_files import group_of_files


class TrialStore:
    """Trained trials: their weights and what was recorded on the way.

    A trial's file is written whole or not at all, so whatever is found is finished. Files in a local folder that cannot
    be read count as missing and are trained again.
    """

    def __init__(self, place: Path | StoreFiles, folder: str = "") -> None:
        """Name the place; nothing is read or written yet.

        Args:
            place: where.
            folder: which folder there.
        """
        self.files = place if isinstance(place, StoreFiles) else StoreFiles(place)
        self._prefix = f"{folder}/" if folder else ""

    @property
    def folder(self) -> Path:
        """The folder, where it is on this machine.

        Raises:
            ValueError: where it is not.
        """
        if self.files.local is None:
            raise ValueError(f"{self.files.address} is no folder of this machine")
        return self.files.local / self._prefix

    def path(self, trial: Trial) -> Path:
        """Where a trial's file is, or will be, on this machine."""
        return self.folder / f"{trial.hash}.safetensors"

    def _name(self, trial_hash: str) -> str:
        return f"{self._prefix}{trial_hash}.safetensors"

    def missing(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials that are not stored yet, each once, in the given order."""
        unique = {trial.hash: trial for trial in trials}
        if self.files.local is not None:
            return [trial for trial in unique.values() if not _is_readable(self.path(trial))]
        there = set(self.files.names(self._prefix.rstrip("/")))
        return [trial for trial in unique.values() if self._name(trial.hash) not in there]

    def discard(self, trials: Sequence[Trial]) -> None:
        """Forget trials, so that they are trained anew."""
        for trial in trials:
            self.files.remove(self._name(trial.hash))

    def discard_unfinished(self) -> None:
        """Forget trainings that were interrupted, so that they start anew."""
        for path in self.folder.glob("unfinished-*.safetensors"):
            path.unlink(missing_ok=True)

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Store files of trials (`trial_files`) by their hashes.

        Raises:
            StorageFailed: if they cannot be written.
        """
        for name, content in contents.items():
            self.files.write(self._name(name), content)

    def read(self, trials: Sequence[Trial]) -> dict[str, bytes]:
        """The files of stored trials, by their hashes."""
        return {trial.hash: self.files.read(self._name(trial.hash)) for trial in trials}

    def load(self, trials: Sequence[Trial], device: torch.device | str = "cpu") -> TrainedGroup:
        """Read finished trials of one shape back as one group.

        Raises:
            StorageFailed: if a file has been damaged since it was found.
        """
        return group_of_files(trials, [self._tensors(trial, device) for trial in trials], device)

    def _tensors(self, trial: Trial, device: torch.device | str) -> dict[str, Tensor]:
        try:
            if self.files.local is None:
                return load(self.files.read(self._name(trial.hash)))
            with safe_open(self.path(trial), framework="pt", device=str(device)) as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except SafetensorError as error:
            raise StorageFailed(
                f"{self.files.address}/{self._name(trial.hash)} is damaged ({error}); remove it, and run again"
            ) from error


def _is_readable(path: Path) -> bool:
    """Whether a file is there, whole (safetensors compares header and size on opening) and one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            return {"recorded_at", "stopped_at", "diverged_at"} <= set(file.keys())
    except (SafetensorError, OSError):
        return False
