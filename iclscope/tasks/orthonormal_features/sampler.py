"""Drawing prompts of orthonormal features, or listing them all, for many runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from iclscope.core.arguments import whole_number
from iclscope.core.errors import require
from iclscope.core.random_streams import RandomStream
from iclscope.tasks.equal_runs import EqualRunsSampler
from iclscope.tasks.function_classes import FunctionPrompts
from iclscope.tasks.orthonormal_features.count_prompts import CountPrompts
from iclscope.tasks.orthonormal_features.feature_task import OrthonormalFeatures
from iclscope.tasks.prompts import PromptSize


class FeatureSampler(EqualRunsSampler[OrthonormalFeatures]):
    """Prompts of orthonormal features, a stream and a set of features per run.

    A batch is a pure function of the run's seed, the purpose and the step.

    Attributes:
        features: v_1 … v_K of each run, one per row.
    """

    features: Float[Tensor, "run K d"]

    def __init__(
        self,
        task: OrthonormalFeatures,
        seeds: Sequence[int],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the streams and the features.

        Args:
            task: the settings, the same for all runs.
            seeds: one per run.
            dtype: precision of the prompts; numbers are drawn in float64 whatever it is.
            device: where prompts are made.
        """
        super().__init__(task, seeds, dtype=dtype, device=device)
        self._probabilities = torch.tensor(task.feature_probabilities, dtype=torch.float64, device=self._device)
        self._listed: dict[int, tuple[Tensor, Tensor]] = {}

    def _set_seeds(self, seeds: Sequence[int]) -> None:
        """Begin the streams of these runs, and draw their features."""
        super()._set_seeds(seeds)
        self._features = _orthonormal_features(self._seeds, self.task.K, self.task.d_X).to(self._device)
        self.features = self._features.to(self._dtype)

    def prompts(
        self, batch: int, *, purpose: str, step: int = 0, size: PromptSize | None = None
    ) -> FunctionPrompts | CountPrompts:
        """Draw a batch of prompts for every run, or list all there are.

        Args:
            batch: prompts per run; under "counts" contexts per run, each with every query; under "exact" of no effect.
            purpose: "training", "evaluation", … Prompts of different purposes are independent.
            step: which batch; equal steps give equal prompts.
            size: another context length than the task's; all dimensions are always used.
        """
        batch = whole_number("batch", batch, least=1)
        task = self.task
        length = task.length if size is None else size.length
        all_used = size is None or size.dimensions in (None, task.d_X)
        require(all_used, "dimensions of a schedule", size and size.dimensions, f"all, d_X = {task.d_X}")
        require(1 <= length <= task.length, "length of a schedule", length, f"1 to the task's, {task.length}")
        if task.expectation == "exact":
            counts, chances = self._all_counts(length)
            return self._of_counts(counts.expand(len(self._seeds), -1, -1), chances)
        stream = RandomStream.from_seeds(self._seeds, f"{purpose} features", self._device).at(step)
        if task.expectation == "counts":
            drawn = self._draw(stream, batch, length)
            counts = torch.zeros(len(drawn), batch, task.K, dtype=torch.float64, device=self._device)
            counts.scatter_add_(2, drawn, torch.ones_like(drawn, dtype=torch.float64))
            return self._of_counts(counts, counts.new_full((batch,), 1 / batch))
        points = self._draw(stream, batch, length + 1)
        if task.query_feature is not None:
            points[..., -1] = task.query_feature
        w = RandomStream.from_seeds(self._seeds, f"{purpose} functions", self._device).at(step).normal(batch, task.d_X)
        # ⟨w, v_j⟩ for every feature; the answers are then looked up.
        values = torch.einsum("rbd,rjd->rbj", w, self._features).gather(2, points).to(self._dtype)
        run = torch.arange(len(points), device=self._device)[:, None, None]
        return FunctionPrompts(self.features[run, points], values, values, predict_at_every_point=False)

    def _draw(self, stream: RandomStream, batch: int, points: int) -> Int64[Tensor, "run batch points"]:
        """Which feature each input is."""
        # The last bound is left out, so that rounding of the sum cannot give a feature K + 1.
        bounds = self._probabilities.cumsum(0)[:-1]
        return torch.bucketize(stream.uniform(batch, points), bounds, right=True)

    def _of_counts(
        self, counts: Float64[Tensor, "run contexts K"], chances: Float64[Tensor, " contexts"]
    ) -> CountPrompts:
        """Contexts of given probabilities with every query."""
        asked = self.task.query_feature
        queries = torch.tensor(range(self.task.K) if asked is None else [asked], device=self._device)
        of_query = self._probabilities if asked is None else torch.ones(1, dtype=torch.float64, device=self._device)
        weights = (chances[:, None] * of_query).flatten().to(self._dtype).expand(len(counts), -1)
        return CountPrompts(counts.to(self._dtype), self.features, queries, weights)

    def _all_counts(self, length: int) -> tuple[Float64[Tensor, "contexts K"], Float64[Tensor, " contexts"]]:
        """Every (n_1 … n_K), and its multinomial probability; kept, since every step needs them again."""
        if length not in self._listed:
            K = self.task.K
            # Stars and bars: K − 1 bars among length + K − 1 places leave K runs of stars.
            bars = torch.tensor(list(combinations(range(length + K - 1), K - 1)), dtype=torch.float64)
            edges = torch.nn.functional.pad(bars, (1, 0), value=-1.0)
            edges = torch.nn.functional.pad(edges, (0, 1), value=float(length + K - 1))
            counts = (edges.diff(dim=1) - 1).to(self._device)
            ways = torch.lgamma(torch.tensor(length + 1.0, dtype=torch.float64)) - torch.lgamma(counts + 1).sum(dim=1)
            self._listed[length] = (counts, (ways + (counts * self._probabilities.log()).sum(dim=1)).exp())
        return self._listed[length]


def _orthonormal_features(seeds: Sequence[int], K: int, d_X: int) -> Float64[Tensor, "run K d"]:
    """K directions per seed, uniform among orthonormal sets, one per row.

    Made on the CPU wherever they are used, and with the signs that make the decomposition unique (a positive
    diagonal of R), so that a model is measured on the features it was trained on whatever machine it comes from.
    """
    decomposed = torch.linalg.qr(RandomStream.from_seeds(seeds, "orthonormal features").normal(d_X, K))
    signs = decomposed.R.diagonal(dim1=1, dim2=2).sign()
    features: Tensor = (decomposed.Q * signs[:, None]).transpose(1, 2)
    return features
