"""The sampler of a task whose runs all have the same settings: streams per run, and `Task.draw` for the rest."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch

from iclscope.core.arguments import seeds_from, whole_number
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.prompts import PromptSize

StreamOf = Callable[[str], RandomStream]
"""What numbers are for → their stream, one per run, of the batch's purpose and step."""


class PromptSampler:
    """Draws prompts of one task, a stream per run; a batch is a pure function of (seed, purpose, step).

    Attributes:
        task: the settings.
    """

    def __init__(
        self,
        task: Any,
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the streams.

        Args:
            task: the settings, the same for all runs.
            seeds: one per run.
            dtype: precision of the prompts; numbers are drawn in float64 whatever it is.
            device: where prompts are made.
        """
        self.task = task
        self._dtype = dtype
        self._device = torch.device(device)
        self._set_seeds(seeds_from(seeds))

    def _set_seeds(self, seeds: Sequence[int]) -> None:
        """Begin the streams of these runs."""
        self._seeds = tuple(seeds)

    def runs(self, indices: Sequence[int]) -> Self:
        """The sampler of some of the runs, in the given order; what a subclass keeps beside is kept."""
        chosen = copy.copy(self)
        chosen._set_seeds([self._seeds[i] for i in indices])
        return chosen

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None) -> Any:
        """Draw a batch of prompts for every run.

        Args:
            batch: prompts per run.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another size of prompts than the task's own.

        Raises:
            BadRequest: if the task has no prompts of that size.
        """
        batch = whole_number("batch", batch, least=1)

        def stream_of(what: str) -> RandomStream:
            return RandomStream.from_seeds(self._seeds, f"{purpose} {what}", self._device).at(step)

        return self.task.draw(stream_of, batch, size, self._dtype)
