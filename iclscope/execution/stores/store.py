"""Trained trials in a folder or at an address, one file each, named by the trial's hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from iclscope.core.errors import StorageFailed
from iclscope.core.memory import is_out_of_memory
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.execution.stores.trial_files import group_of_files, is_file_of, tensors_of
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

_MOST_NAMED = 2


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
            return [trial for trial in unique.values() if not _is_there(trial, self.path(trial))]
        there = set(self.files.names(self._prefix.rstrip("/")))
        return [trial for trial in unique.values() if self._name(trial.hash) not in there]

    def discard(self, trials: Sequence[Trial]) -> None:
        """Forget trials, so that they are trained again."""
        for trial in trials:
            self.files.remove(self._name(trial.hash))

    def discard_unfinished(self) -> None:
        """Forget trainings that were interrupted, so that they start from scratch."""
        for path in self.folder.glob("unfinished-*.safetensors"):
            path.unlink(missing_ok=True)

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Store files of trials (`trial_files`) by their hashes.

        Raises:
            StorageFailed: if they cannot be written.
        """
        for name, content in contents.items():
            self.files.write(self._name(name), content)

    def read(self, trials: Sequence[Trial]) -> dict[str, bytes] | None:
        """The files of stored trials, by their hashes; None if one is damaged, or is not the file of its trial."""
        found = {trial.hash: self.files.read(self._name(trial.hash)) for trial in trials}
        return found if all(tensors_of(trial, found[trial.hash]) is not None for trial in trials) else None

    def load(self, trials: Sequence[Trial], device: torch.device | str = "cpu") -> TrainedGroup:
        """Read finished trials of one shape back as one group.

        Raises:
            StorageFailed: if a file is damaged, or is none of the model of its trial.
        """
        found = [self._tensors(trial, device) for trial in trials]
        try:
            return group_of_files(trials, found, device)
        except (KeyError, RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            names = ", ".join(trial.hash for trial in trials[:_MOST_NAMED]) + ("…" if len(trials) > _MOST_NAMED else "")
            where = f"{self.files.address}/{self._prefix}".rstrip("/")
            reason = " ".join(str(error).split())
            raise StorageFailed(
                f"{where} has files that are not of their trials, among {names} ({reason}); remove them, and run again"
            ) from error

    def _tensors(self, trial: Trial, device: torch.device | str) -> dict[str, Tensor]:
        name = f"{self.files.address}/{self._name(trial.hash)}"
        if self.files.local is None:
            found = tensors_of(trial, self.files.read(self._name(trial.hash)))
            if found is None:
                raise StorageFailed(f"{name} is damaged or not of this trial; remove it, and run again")
            return {key: tensor.to(device) for key, tensor in found.items()}
        try:
            with safe_open(self.path(trial), framework="pt", device=str(device)) as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise StorageFailed(f"{name} is damaged ({error}); remove it, and run again") from error


def _is_there(trial: Trial, path: Path) -> bool:
    """Whether a file is there, whole (safetensors compares header and size on opening) and that of the trial."""
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return is_file_of(trial, file.metadata() or {}, shapes)
    except (SafetensorError, OSError):
        return False
